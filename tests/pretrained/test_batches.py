"""Batches by length: every text once, none too large."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.pretrained.batches import length_batches


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 60), st.randoms())
def test_every_text_is_in_one_batch_that_fits(lengths, batch_tokens, chance) -> None:
    rows = np.array(chance.sample(range(len(lengths)), len(lengths)), np.int64)
    batches = [batch.tolist() for batch in length_batches(lengths, rows, batch_tokens)]
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    longest = [[lengths[row] for row in batch] for batch in batches]
    assert [n for batch in longest for n in batch] == sorted(lengths, reverse=True)
    assert all(len(batch) * batch[0] <= batch_tokens or len(batch) == 1 for batch in longest)


def test_equal_lengths_keep_their_order() -> None:
    (batch,) = length_batches([3, 5, 3, 3], np.array([3, 0, 1, 2]), 100)
    assert batch.tolist() == [1, 3, 0, 2]
