"""The common machine: who is asked, what is learnt and when."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bayesian_regression import posterior
from hypothesis import given
from hypothesis import strategies as st
from routing import ARMS, TABLE, D, annotator, assert_same_beliefs, contexts, thompson
from scripted import scripted, winner_grids
from scripted_scorer import ScriptedScorer, outcomes_of

from rewardrouter.annotators import (
    AdvantageReward,
    BatchLossReward,
    Outcome,
    RoutedAnnotator,
    StepContext,
)
from rewardrouter.annotators.contexts import pair_embeddings
from rewardrouter.errors import ConfigError
from rewardrouter.online.advantage import ReferenceSampler
from rewardrouter.online.linucb import LinUCB
from rewardrouter.reward_models import recorded_pool
from rewardrouter.verdicts import A, B


@given(winner_grids(max_pairs=8), st.integers(0, 50))
def test_failover_is_by_the_same_draw(winners, seed):
    table = scripted(winners)
    arms = table.rms
    found = annotator(table, thompson(arms, seed), arms=arms).annotate(table.pairs, StepContext("b"))
    twin = thompson(arms, seed)
    deviations = twin.deviations(len(table))
    scores = twin.scores(ScriptedScorer(arms, D).contexts(table.pairs))
    ranked = np.argsort(-(scores.mean + deviations * np.sqrt(scores.variance)), axis=1)
    for row, order, one in zip(winners, ranked.tolist(), found, strict=True):
        first = next((place for place, n in enumerate(order) if row[n] in (A, B)), len(order) - 1)
        assert one.rms == tuple(arms[n] for n in order[: first + 1])
        assert one.label == {A: "A", B: "B"}.get(row[order[first]])
        assert one.rm == (one.rms[-1] if one.label else None)


def test_only_the_arm_that_answered_learns_and_the_rewards_are_the_papers():
    ours = annotator()
    assert ours.beliefs() is None
    first = ours.annotate(TABLE.pairs, StepContext("0"))
    assert any(len(one.rms) > 1 for one in first)
    given_ = outcomes_of(first)
    ours.observe(given_)
    labelled = [one for one in first if one.label]
    assert ours.last_rewards == dict.fromkeys(given_, 0.5)  # no past yet
    past = np.mean([o.loss for o in given_.values()]) - np.array([o.loss for o in given_.values()])

    second = ours.annotate(TABLE.pairs, StepContext("1"))
    given_ = outcomes_of(second, seed=1)
    ours.observe(given_)
    low, high = np.quantile(past, 0.2), np.quantile(past, 0.8)
    losses = np.array([outcome.loss for outcome in given_.values()])
    by_hand = np.clip((losses.mean() - losses - low) / (high - low), 0, 1)
    np.testing.assert_allclose(list(ours.last_rewards.values()), by_hand, rtol=1e-12)

    answered = [*labelled, *(one for one in second if one.label)]
    rewards = np.array([0.5] * len(labelled) + by_hand.tolist())
    seen = contexts([TABLE.pairs[int(one.pair_id[1:])] for one in answered])
    for n, arm in enumerate(ARMS):
        own = np.array([one.rm == arm for one in answered])
        expected = posterior(np.zeros(D), 1.0, 1.0, seen[own], rewards[own])
        np.testing.assert_allclose(ours.policy.posteriors.mean[n], expected.mean, atol=1e-12)
        np.testing.assert_allclose(ours.policy.posteriors.covariance(arm), expected.covariance, atol=1e-12)


def test_beliefs_are_of_the_pairs_of_the_last_call():
    ours = annotator()
    ours.annotate(TABLE.pairs[:3], StepContext("0"))
    beliefs = ours.beliefs()
    assert beliefs.mean.shape == beliefs.variance.shape == (3, 3)
    np.testing.assert_array_equal(beliefs.variance, ours.policy.scores(contexts(TABLE.pairs[:3])).variance)


@given(st.integers(0, 100), st.data())
def test_a_batch_in_parts_teaches_what_it_teaches_at_once(seed, data):
    at_once, in_parts = annotator(), annotator()
    for batch in range(2):
        step = StepContext(str(batch))
        given_ = outcomes_of(at_once.annotate(TABLE.pairs, step), seed)
        in_parts.annotate(TABLE.pairs, step)
        at_once.observe(given_)
        ids = data.draw(st.permutations(list(given_)))
        cut = data.draw(st.integers(0, len(ids)))
        for part in (ids[:cut], ids[cut:]):
            in_parts.observe({one: given_[one] for one in part})
    assert_same_beliefs(at_once, in_parts, exactly=True)
    step = StepContext("2")
    assert at_once.annotate(TABLE.pairs, step) == in_parts.annotate(TABLE.pairs, step)


def test_late_outcomes_are_learnt_from_batch_by_batch():
    steps = [StepContext(str(n)) for n in range(3)]
    # One arm: what is learnt meanwhile changes no choice.
    in_time, late = (annotator(policy=thompson(ARMS[:1]), arms=ARMS[:1]) for _ in range(2))
    given_ = []
    for n, step in enumerate(steps):
        given_.append(outcomes_of(in_time.annotate(TABLE.pairs, step), n))
        in_time.observe(given_[-1])
    for step in steps:
        late.annotate(TABLE.pairs, step)
    late.observe({})
    assert late.policy.posteriors.counts.tolist() == [0]
    late.observe({one: outcome for batch in reversed(given_) for one, outcome in batch.items()})
    assert_same_beliefs(in_time, late, exactly=True)
    assert set(late.last_rewards) == {one for batch in given_ for one in batch}


def test_what_never_comes_teaches_nothing():
    ours = annotator()
    for n in range(70):
        ours.annotate(TABLE.pairs, StepContext(str(n)))
    ours.observe({})
    assert ours.policy.posteriors.counts.sum() == 0
    assert (ours.last_rewards, ours.forgotten > 0) == ({}, True)


def test_a_loss_that_is_no_number_gives_no_reward_and_no_update():
    ours = annotator()
    given_ = outcomes_of(ours.annotate(TABLE.pairs, StepContext("0")))
    bad, *good = given_
    ours.observe({**given_, bad: Outcome(math.nan, 1.0, 0.0)})
    assert list(ours.last_rewards) == good
    assert ours.policy.posteriors.counts.sum() == len(good)


def test_the_order_of_the_pool_and_of_the_arms_changes_nothing_by_name():
    reordered = ("rm2", "rm0", "rm1")
    pool = recorded_pool(TABLE)
    ours = annotator(references=ReferenceSampler(2, 3), reward=AdvantageReward())
    other = RoutedAnnotator(
        pool.select(["rm1", "rm2", "rm0"]),
        thompson(reordered),
        pair_embeddings(ScriptedScorer(reordered, D)),
        AdvantageReward(),
        references=ReferenceSampler(2, 3),
    )
    for n in range(4):
        step = StepContext(str(n))
        found = ours.annotate(TABLE.pairs, step)
        assert found == other.annotate(TABLE.pairs, step)
        for one in (ours, other):
            one.observe(outcomes_of(found, n))
    assert ours.last_rewards == other.last_rewards != {}


def test_rms_that_are_no_arms_are_never_called():
    ours = annotator(policy=thompson(ARMS[1:]), arms=ARMS[1:])
    assert {rm for one in ours.annotate(TABLE.pairs, StepContext("0")) for rm in one.rms} <= set(ARMS[1:])


@pytest.mark.parametrize("bandit", ["thompson", "linucb"])
def test_per_batch_one_draw_decides_and_the_arm_chosen_learns_once(bandit):
    policy = thompson(seed=2) if bandit == "thompson" else LinUCB.without_prior(ARMS, D, exploration=1.0)
    twin = thompson(seed=2) if bandit == "thompson" else LinUCB.without_prior(ARMS, D, exploration=1.0)
    ours = annotator(policy=policy, reward=BatchLossReward(), per="batch")
    h = contexts(TABLE.pairs)
    seen = {arm: [] for arm in ARMS}
    past = []
    for n in range(5):
        found = ours.annotate(TABLE.pairs, StepContext(str(n)))
        scores = twin.scores(h.mean(axis=0, keepdims=True))
        order = np.argsort(-(scores.mean + twin.deviations(1) * np.sqrt(scores.variance))[0], kind="stable")
        for one in found:
            assert one.rms == tuple(ARMS[n] for n in order[: len(one.rms)])
        given_ = outcomes_of(found, n)
        before = policy.posteriors.counts.copy()
        ours.observe(given_)
        chosen = ARMS[order[0]]
        own = [i for i, one in enumerate(found) if one.rm == chosen]
        assert 0 < len(own) < len(found)  # others answered in its place and learn nothing
        assert (policy.posteriors.counts - before).tolist() == [int(arm == chosen) for arm in ARMS]
        raw = -np.mean([given_[found[i].decision_id].loss for i in own])
        reward = 0.5
        if len(past) >= 2:
            low, high = np.quantile(past, 0.2), np.quantile(past, 0.8)
            reward = np.clip((raw - low) / (high - low), 0, 1)
        past.append(raw)
        assert ours.last_rewards == pytest.approx({found[i].decision_id: reward for i in own}, rel=1e-9)
        seen[chosen].append((h.mean(axis=0), reward))
        twin.update(h.mean(axis=0, keepdims=True), [ARMS.index(chosen)], [reward])
    for n, arm in enumerate(ARMS):
        if seen[arm]:
            H, r = np.stack([h for h, _ in seen[arm]]), np.array([r for _, r in seen[arm]])
            expected = posterior(np.zeros(D), 1.0, 1.0, H, r)
            np.testing.assert_allclose(policy.posteriors.mean[n], expected.mean, atol=1e-12)


def test_per_batch_losses_that_are_no_numbers_teach_nothing():
    ours = annotator(reward=BatchLossReward(), per="batch")
    found = ours.annotate(TABLE.pairs, StepContext("0"))
    ours.observe({one.decision_id: Outcome(math.nan, 1.0, 0.0) for one in found})
    assert ours.policy.posteriors.counts.sum() == 0
    assert ours.last_rewards == {}


class Counting:
    """A pool's member that counts its calls per pair."""

    def __init__(self, pool, name, calls):
        self.name, self._pool, self._calls = name, pool, calls

    def judge(self, pairs):
        for pair in pairs:
            self._calls.append((self.name, pair.id))
        return self._pool.judge(self.name, pairs)


@pytest.mark.parametrize("references", ["all", ReferenceSampler(2, 1)])
def test_references_are_asked_once_and_counted(references):
    recorded, calls = recorded_pool(TABLE), []
    pool = type(recorded)([Counting(recorded, name, calls) for name in recorded.names])
    ours = RoutedAnnotator(
        pool, thompson(), pair_embeddings(ScriptedScorer(ARMS, D)), AdvantageReward(), references=references
    )
    found = ours.annotate(TABLE.pairs, StepContext("0"))
    assert len(calls) == len(set(calls)) == sum(len(one.rms) for one in found)
    assert sorted(calls) == sorted((rm, one.pair_id) for one in found for rm in one.rms)
    least = 3 if references == "all" else 2
    assert all(len(one.rms) >= least for one in found)
    assert [tuple(v.rm for v in one.verdicts) for one in found] == [one.rms for one in found]


def test_references_decide_the_reward():
    ours = annotator(reward=AdvantageReward(), references="all")
    found = ours.annotate(TABLE.pairs, StepContext("0"))
    given_ = outcomes_of(found)
    ours.observe(given_)
    for one in found:
        if one.label is None:
            continue
        outcome = given_[one.decision_id]
        losses = [
            outcome.loss if v.label == one.label else outcome.swapped_loss for v in one.verdicts if v.label
        ]
        expected = float(outcome.loss <= np.mean(losses) + 1e-12)
        assert ours.last_rewards[one.decision_id] == expected
    assert set(ours.last_rewards.values()) == {0.0, 1.0}


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="asks 4 RMs, but the pool has 3"):
        annotator(references=ReferenceSampler(4))
    with pytest.raises(ConfigError, match="per: expected pair or batch, found 'step'"):
        annotator(per="step")
    with pytest.raises(ConfigError, match="the pool has no reward model 'rm9'"):
        annotator(policy=thompson(("rm0", "rm9")))
