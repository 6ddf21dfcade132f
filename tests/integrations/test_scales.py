"""Running scales are those of all scores so far, and make units disappear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewardrouter.annotators import ScoreScale
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.integrations.scales import RunningScales
from rewardrouter.state import State

scores = arrays(np.float64, st.integers(0, 6), elements=st.floats(-100, 100, width=32))


@given(st.lists(scores, min_size=1, max_size=6))
def test_batches_give_what_all_scores_at_once_give(batches):
    running, everything = RunningScales(["rm"], {}, 1.0), np.concatenate(batches)
    for batch in batches:
        running.take_in("rm", batch)
    scale = running.scale("rm")
    if scale is None:
        assert len(everything) < 2 or everything.std() == pytest.approx(0, abs=1e-6)
    else:
        assert scale.mean == pytest.approx(everything.mean(), abs=1e-9)
        assert scale.std == pytest.approx(everything.std(), abs=1e-6)


def test_a_start_counts_for_as_many_scores_as_it_is_worth():
    running = RunningScales(["rm", "other"], {"rm": ScoreScale(10.0, 2.0)}, 4.0)
    assert running.scale("rm") == ScoreScale(10.0, 2.0)
    new = np.array([1.0, 5.0, 6.0])
    running.take_in("rm", new)
    like = np.concatenate([[8.0, 8.0, 12.0, 12.0], new])  # four scores of mean 10 and deviation 2
    scale = running.scale("rm")
    assert scale is not None
    assert (scale.mean, scale.std) == (pytest.approx(like.mean()), pytest.approx(like.std()))
    assert running.scale("other") is None


@given(arrays(np.float64, 5, elements=st.floats(-3, 3, width=16)), st.floats(0.01, 100), st.floats(-50, 50))
def test_another_unit_changes_nothing(values, factor, shift):
    running = RunningScales(["one", "other"], {}, 1.0)
    running.take_in("one", values)
    running.take_in("other", factor * values + shift)
    if values.std() > 1e-2:
        np.testing.assert_allclose(
            running.standardised("one", values),
            running.standardised("other", factor * values + shift),
            atol=1e-6,
        )


def test_without_a_spread_every_score_is_0():
    running = RunningScales(["rm"], {}, 1.0)
    running.take_in("rm", np.array([3.0]))
    assert running.standardised("rm", np.array([3.0, 4.0])).tolist() == [0.0, 0.0]


def test_a_state_brings_the_scales_back_whatever_the_order_of_the_rms():
    running = RunningScales(["a", "b"], {"b": ScoreScale(1.0, 3.0)}, 7.0)
    running.take_in("a", np.array([1.0, 2.0]))
    other = RunningScales(["b", "a"], {}, 1.0)
    other.load_state_dict(running.state_dict())
    assert [other.scale(name) for name in "ab"] == [running.scale(name) for name in "ab"]


def test_states_of_others_and_wrong_weights_are_refused():
    with pytest.raises(CheckpointError, match="scales of a, but here are b"):
        RunningScales(["b"], {}, 1.0).load_state_dict(RunningScales(["a"], {}, 1.0).state_dict())
    with pytest.raises(CheckpointError, match="no names"):
        RunningScales(["b"], {}, 1.0).load_state_dict(State())
    with pytest.raises(ConfigError, match="scale_weight"):
        RunningScales(["b"], {}, 0.0)
