"""What one choice is for: who may learn, and from what."""

from __future__ import annotations

import numpy as np
from routing import ARMS, D, thompson

from rewardrouter.annotators.base import Annotation, Outcome
from rewardrouter.annotators.choosing import PerBatch, PerPair
from rewardrouter.annotators.decisions import Decision, Settled
from rewardrouter.online.feedback import Rewards

CONTEXTS = np.random.default_rng(0).standard_normal((6, D))


class LossAsReward:
    """A reward that is minus the loss; it counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def rewards(self, decisions, outcomes):
        self.asked += 1
        return Rewards(np.array([-outcome.loss for outcome in outcomes]), refused=0)


def settled(rms, losses):
    decisions = [Decision(f"b/{n}", "b", str(n), rm, "A", {}, ()) for n, rm in enumerate(rms)]
    outcomes = [Outcome(loss, 0.5, 0.0) for loss in losses]
    return Settled(tuple(decisions), tuple(outcomes), CONTEXTS[: len(rms)])


def test_per_pair_every_row_is_chosen_by_its_own_draw_and_whoever_answers_learns():
    policy, twin = thompson(ARMS, 3), thompson(ARMS, 3)
    choice = PerPair().choice(policy, CONTEXTS)
    left = np.ones((6, len(ARMS)), np.bool_)
    found = choice.choose(np.arange(6), left)
    np.testing.assert_array_equal(found, twin.best(CONTEXTS, twin.deviations(6)))
    left[np.arange(6), found] = False
    assert (choice.choose(np.arange(6), left) != found).all()
    np.testing.assert_array_equal(choice.contexts, CONTEXTS)
    answered = [Annotation(f"b/{n}", str(n), "A", (), rm=ARMS[n % len(ARMS)]) for n in range(6)]
    assert choice.taught(answered) == answered


def test_per_batch_all_rows_have_one_choice_and_no_other_rm_learns_from_it():
    policy, twin = thompson(ARMS, 3), thompson(ARMS, 3)
    choice = PerBatch().choice(policy, CONTEXTS)
    mean = CONTEXTS.mean(axis=0, keepdims=True)
    (first,) = twin.best(mean, twin.deviations(1))
    left = np.ones((6, len(ARMS)), np.bool_)
    assert choice.choose(np.arange(6), left).tolist() == [first] * 6
    left[2:4, first] = False
    found = choice.choose(np.arange(6), left)
    assert found[[0, 1, 4, 5]].tolist() == [first] * 4
    assert found[2] == found[3] != first
    np.testing.assert_allclose(choice.contexts, np.repeat(mean, 6, axis=0))
    assert choice.only == ARMS[first]
    answered = [Annotation(f"b/{n}", str(n), "A", (), rm=ARMS[arm]) for n, arm in enumerate(found)]
    assert [one is not None for one in choice.taught(answered)] == [True, True, False, False, True, True]


def test_lessons_per_pair_are_the_decisions_and_per_batch_the_means_of_each_rm():
    rms, losses = [ARMS[0], ARMS[1], ARMS[0], ARMS[1], ARMS[1]], [0.1, 0.2, 0.5, np.nan, 0.6]
    batch, reward = settled(rms, losses), LossAsReward()
    lessons = PerPair().lessons(batch, reward)
    assert (lessons.rms, reward.asked) == (rms, 1)
    np.testing.assert_array_equal(lessons.rewards, [-0.1, -0.2, -0.5, np.nan, -0.6])
    np.testing.assert_array_equal(lessons.contexts, CONTEXTS[:5])

    each = PerBatch().lessons(batch, reward)
    assert (each.rms, reward.asked) == (list(ARMS[:2]), 3)
    np.testing.assert_allclose(each.rewards, [-0.3, -0.4])
    np.testing.assert_allclose(
        each.contexts, [CONTEXTS[[0, 2]].mean(axis=0), CONTEXTS[[1, 3, 4]].mean(axis=0)]
    )
    np.testing.assert_array_equal(each.values, lessons.values)


def test_an_rm_all_of_whose_losses_were_refused_has_no_reward():
    lessons = PerBatch().lessons(settled([ARMS[0]] * 2, [np.nan, np.nan]), LossAsReward())
    assert np.isnan(lessons.rewards).all()
