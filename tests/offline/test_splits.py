"""Splits: whole groups, in parts of equal size, the same for a seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.errors import DataError
from rewardrouter.offline.splits import group_folds, holdout

GROUPS = st.lists(st.sampled_from([f"g{n}" for n in range(12)]), min_size=1, max_size=60)


@given(GROUPS, st.integers(2, 6), st.integers(0, 5))
def test_no_group_is_cut_and_no_part_is_empty(groups, folds, seed):
    if len(set(groups)) < 2:
        with pytest.raises(DataError, match="all pairs are of one group"):
            group_folds(groups, folds, seed)
        return
    parts = group_folds(groups, folds, seed)
    assert parts.shape == (len(groups),)
    assert set(parts) == set(range(min(folds, len(set(groups)))))
    assert all(
        len({part for g, part in zip(groups, parts, strict=True) if g == name}) == 1 for name in groups
    )


@given(GROUPS, st.integers(2, 6), st.integers(0, 5))
def test_parts_differ_by_at_most_the_largest_group(groups, folds, seed):
    if len(set(groups)) >= folds:
        sizes = np.bincount(group_folds(groups, folds, seed), minlength=folds)
        assert sizes.max() - sizes.min() <= max(Counter(groups).values())


@given(GROUPS, st.integers(0, 5), st.randoms(use_true_random=False))
def test_a_groups_part_follows_from_the_seed_not_from_the_order_of_rows(groups, seed, random):
    if len(set(groups)) >= 2:
        parts = group_folds(groups, 2, seed)
        np.testing.assert_array_equal(parts, group_folds(groups, 2, seed))
        order = list(range(len(groups)))
        random.shuffle(order)
        np.testing.assert_array_equal(parts[order], group_folds([groups[i] for i in order], 2, seed))


def test_seeds_give_other_splits():
    groups = [f"g{n}" for n in range(40)]
    assert len({group_folds(groups, 5, seed).tobytes() for seed in range(10)}) == 10


def test_an_array_of_names_splits_as_a_list_does():
    groups = [f"g{n % 7}" for n in range(20)]
    np.testing.assert_array_equal(group_folds(groups, 3, 0), group_folds(np.array(groups), 3, 0))


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_about_the_asked_share_is_held_out(fraction):
    groups = [f"g{n // 3}" for n in range(300)]
    aside = holdout(groups, fraction, 0)
    assert aside.dtype == np.bool_
    assert aside.mean() == pytest.approx(fraction, abs=0.02)
    assert not set(np.array(groups)[aside]) & set(np.array(groups)[~aside])


@given(GROUPS, st.floats(0.01, 0.5), st.integers(0, 5))
def test_few_groups_still_give_two_parts(groups, fraction, seed):
    if len(set(groups)) < 2:
        with pytest.raises(DataError, match="all pairs are of one group"):
            holdout(groups, fraction, seed)
    else:
        assert 0 < holdout(groups, fraction, seed).sum() < len(groups)
