"""Advantage rewards against their definition, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.advantage import ReferenceSampler, advantage_rewards
from rewardrouter.state import State


@given(
    seed=st.integers(0, 2**32 - 1), pairs=st.integers(0, 20), asked=st.integers(1, 6), missing=st.booleans()
)
def test_is_one_where_the_loss_is_at_most_the_mean(seed, pairs, asked, missing):
    rng = np.random.default_rng(seed)
    losses, references = rng.random(pairs), rng.random((pairs, asked))
    if missing:
        losses[rng.random(pairs) < 0.3] = np.nan
        references[rng.random((pairs, asked)) < 0.3] = np.inf
    found = advantage_rewards(losses, references)
    for loss, row, value in zip(losses, references, found.values, strict=True):
        row = row[np.isfinite(row)]
        if np.isnan(loss) or not len(row):
            assert np.isnan(value)
        else:
            assert value == float(loss <= row.mean())
    assert found.refused == np.isnan(found.values).sum()


@given(loss=st.floats(0.0, 20.0), asked=st.integers(1, 9))
def test_where_all_labels_agree_the_chosen_one_is_never_worse(loss, asked):
    """The mean of equal losses may round below them."""
    assert advantage_rewards([loss], np.full((1, asked), loss)).values.tolist() == [1.0]


def test_two_labels_make_two_losses():
    """In the minority label's favour or not: of 3 RMs asked, the lower loss gets 1, the higher 0."""
    references = np.array([[0.3, 0.3, 1.1], [0.3, 0.3, 1.1], [1.1, 1.1, 1.1]])
    assert advantage_rewards([0.3, 1.1, 1.1], references).values.tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(("losses", "references"), [([0.1], [[0.1], [0.2]]), ([0.1], [0.1])])
def test_shapes_that_do_not_fit_are_refused(losses, references):
    with pytest.raises(ValueError, match="expected shape"):
        advantage_rewards(losses, references)


def test_references_are_distinct_and_uniform():
    drawn = ReferenceSampler(seed=1).draw(20_000, 5)
    assert drawn.shape == (20_000, 3)
    assert all(len(set(row)) == 3 for row in drawn[:500].tolist())
    triples = np.sort(drawn, axis=1) @ [25, 5, 1]
    counts = np.unique(triples, return_counts=True)[1]
    assert len(counts) == 10
    assert stats.chisquare(counts).pvalue > 1e-4


def test_a_pool_too_small_is_refused():
    with pytest.raises(ConfigError, match="asks 3 RMs, but the pool has 2"):
        ReferenceSampler().draw(1, 2)
    with pytest.raises(ConfigError, match="at least 1 RM"):
        ReferenceSampler(0)


def test_resumed_is_uninterrupted():
    uninterrupted, resumed = ReferenceSampler(seed=2), ReferenceSampler(seed=3)
    uninterrupted.draw(10, 6)
    resumed.load_state_dict(uninterrupted.state_dict())
    np.testing.assert_array_equal(resumed.draw(10, 6), uninterrupted.draw(10, 6))
    with pytest.raises(CheckpointError, match="no generator"):
        resumed.load_state_dict(State())
