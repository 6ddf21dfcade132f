"""Held-out pairs survive a restart, and broken ones are refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from held_out_rows import held_out_of

from rewardrouter.calibration import HeldOut, Signals
from rewardrouter.errors import CheckpointError
from rewardrouter.state import State, load_state, save_state


def assert_same(one: HeldOut, other: HeldOut) -> None:
    for name in ("winners", "margins", "labels", "folds", "later", "clusters"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("scores", "beliefs", "reading"):
        np.testing.assert_array_equal(getattr(one.signals, name), getattr(other.signals, name))


@pytest.mark.parametrize("reading", [True, False])
def test_what_is_read_is_what_was_written(tmp_path, reading):
    held_out = held_out_of(30, 3, reading=reading)
    margins = held_out.margins.copy()
    margins[::4, 1] = np.nan
    margins[1, 0] = 0.0
    groups = np.arange(30) // 3 - 2**62
    held_out = dataclasses.replace(held_out, margins=margins, groups=groups)
    save_state(held_out.state(), tmp_path / "held_out.safetensors")
    found = HeldOut.from_state(load_state(tmp_path / "held_out.safetensors"), 3)
    assert_same(found, held_out)
    np.testing.assert_array_equal(found.select(np.arange(5)).clusters, groups[:5])
    np.testing.assert_array_equal(found.arms([0, 1]).clusters, groups)
    assert (found.signals.reading is None) is not reading


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"winners": np.full((30, 3), 2)}, "other codes"),
        ({"labels": np.zeros(30, np.int64)}, "other codes"),
        ({"beliefs": np.zeros((29, 3))}, "beliefs"),
        ({"scores": np.full((30, 3), np.nan)}, "not finite"),
        ({"margins": np.zeros((30, 2))}, "margins"),
        ({"reading": np.zeros(4)}, "reading"),
        ({"folds": np.zeros(30)}, "folds"),
    ],
)
def test_broken_state_is_refused(change, said):
    state = held_out_of(30, 3).state()
    with pytest.raises(CheckpointError, match=said):
        HeldOut.from_state(State({**state.arrays, **change}), 3)


def test_of_another_number_of_rms():
    with pytest.raises(CheckpointError, match="scores"):
        HeldOut.from_state(held_out_of(30, 3).state(), 4)


def test_without_the_classification_head_beliefs_are_the_scores_less_their_mean():
    scores = np.array([[1.0, 3.0], [0.0, -4.0]])
    np.testing.assert_array_equal(Signals.of(scores, None, None).beliefs, [[-1.0, 1.0], [2.0, -2.0]])


def test_behaviour_is_missing_where_no_winner_was_named():
    held_out = held_out_of(10, 2)
    winners = held_out.winners.copy()
    winners[3, 1] = 0
    behaviour = dataclasses.replace(held_out, winners=winners).behaviour
    assert np.isnan(behaviour[3, 1])
    np.testing.assert_array_equal(behaviour[:, 0], winners[:, 0] == held_out.labels)


def test_arms_go_and_come():
    held_out = held_out_of(20, 3)
    two = held_out.arms([2, 0])
    np.testing.assert_array_equal(two.winners, held_out.winners[:, [2, 0]])
    np.testing.assert_array_equal(two.signals.scores, held_out.signals.scores[:, [2, 0]])
    more = two.with_arm(np.zeros(20), np.ones(20))
    assert more.winners.shape == (20, 3)
    assert not more.answered[:, 2].any()
    assert np.isnan(more.margins[:, 2]).all()


def test_a_sample_is_drawn_by_its_seed_without_repetition():
    held_out = held_out_of(100, 2)
    assert held_out.sampled(0, 200) is held_out
    one, again, other = held_out.sampled(3, 40), held_out.sampled(3, 40), held_out.sampled(4, 40)
    assert_same(one, again)
    assert len(one) == 40
    assert len(np.unique(one.signals.scores[:, 0])) == 40
    assert not np.array_equal(one.signals.scores, other.signals.scores)


def joined(n_pairs: int, n_rms: int, seed: int, first: int = 1) -> HeldOut:
    """Pairs that came with the last of the RMs."""
    return dataclasses.replace(held_out_of(n_pairs, n_rms, seed), digests=np.arange(first, first + n_pairs))


def test_pairs_that_come_later_are_kept_with_their_names(tmp_path):
    before = held_out_of(20, 2).with_arm(np.zeros(20), np.ones(20))
    later = joined(8, 3, 1)
    whole = before.with_later(later)
    assert_same(whole.select(np.arange(20)), before)
    assert_same(whole.select(np.arange(20, 28)), later)
    save_state(whole.state(), tmp_path / "held_out.safetensors")
    assert_same(HeldOut.from_state(load_state(tmp_path / "held_out.safetensors"), 3), whole)


def test_groups_are_kept_when_pairs_come_later():
    before = dataclasses.replace(held_out_of(20, 2), groups=np.arange(20) // 2)
    later = dataclasses.replace(joined(8, 3, 1), groups=np.arange(8) + 7)
    whole = before.with_arm(np.zeros(20), np.ones(20)).with_later(later)
    assert whole.clusters.tolist() == [n // 2 for n in range(20)] + [n + 7 for n in range(8)]


def test_a_pair_that_comes_again_gains_what_it_lacked():
    later = joined(6, 3, 1)
    winners = later.winners.copy()
    winners[:, 0] = 0
    first = held_out_of(10, 2).with_arm(np.zeros(10), np.zeros(10))
    first = first.with_later(dataclasses.replace(later, winners=winners)).with_arm(np.zeros(16), np.zeros(16))
    again = joined(9, 4, 2, first=4)  # three of them are known
    both = first.with_later(again)
    assert len(both) == 16 + 6
    for row, source in ((13, 0), (14, 1), (15, 2)):
        assert both.winners[row, 0] == again.winners[source, 0]
        assert both.winners[row, 1] == later.winners[row - 10, 1]
        assert both.margins[row, 1] == later.margins[row - 10, 1]
        np.testing.assert_array_equal(both.signals.scores[row, :3], later.signals.scores[row - 10])
        assert both.signals.scores[row, 3] == again.signals.scores[source, 3]
        assert both.signals.beliefs[row, 3] == again.signals.beliefs[source, 3]
        assert both.labels[row] == later.labels[row - 10]


def test_who_can_have_been_asked():
    """Whoever joined later was not asked of the fit's pairs; of later pairs, verdicts alone are known."""
    fit = held_out_of(10, 2)
    fit.winners[3, 0] = 0
    later = joined(4, 3, 1)
    later.winners[1, 0] = 0
    whole = fit.with_arm(np.zeros(10), np.zeros(10)).with_later(later)
    assert fit.asked.all()
    assert whole.asked[:10].tolist() == [[True, True, False]] * 10
    assert whole.asked[10:].tolist() == [[True] * 3, [False, True, True], [True] * 3, [True] * 3]
    assert whole.plannable.all()
    later.winners[2, :2] = 0
    assert np.flatnonzero(~fit.with_arm(np.zeros(10), np.zeros(10)).with_later(later).plannable).tolist() == [
        12
    ]


def test_who_leaves_takes_the_pairs_along_that_only_it_judged():
    later = joined(4, 3, 1)
    later.winners[:2, :2] = 0
    whole = held_out_of(10, 2).with_arm(np.zeros(10), np.zeros(10)).with_later(later)
    assert_same(whole.arms([0, 1]).select(np.arange(10)), held_out_of(10, 2))
    assert whole.arms([0, 1]).later.tolist() == [0] * 10 + [3, 4]
