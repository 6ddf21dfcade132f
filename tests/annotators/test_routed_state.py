"""The common machine over a restart: the same choices, or a refusal that changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing import ARMS, TABLE, D, annotator, assert_same_beliefs, thompson
from scripted_scorer import outcomes_of

from rewardrouter.annotators import BatchLossReward, StepContext
from rewardrouter.errors import CheckpointError
from rewardrouter.online.advantage import ReferenceSampler
from rewardrouter.online.linucb import LinUCB
from rewardrouter.state import State, load_state, save_state


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_resumed_is_uninterrupted(seed):
    def make():
        return annotator(policy=thompson(seed=seed), references=ReferenceSampler(2, seed))

    uninterrupted, resumed = make(), make()
    given_ = [outcomes_of(uninterrupted.annotate(TABLE.pairs, StepContext(str(n))), n) for n in range(2)]
    uninterrupted.observe(dict(list(given_[0].items())[:4]))
    resumed.load_state_dict(uninterrupted.state_dict())
    assert resumed.beliefs() is None
    late = {**given_[0], **given_[1]}
    for n in range(2, 5):
        for one in (uninterrupted, resumed):
            one.observe(late)
        assert resumed.last_rewards == uninterrupted.last_rewards
        after, again = (one.annotate(TABLE.pairs, StepContext(str(n))) for one in (uninterrupted, resumed))
        assert after == again
        late = outcomes_of(after, n)
    assert_same_beliefs(uninterrupted, resumed, exactly=True)


def test_a_state_survives_its_file_and_a_new_order_of_arms(tmp_path):
    uninterrupted = annotator()
    given_ = outcomes_of(uninterrupted.annotate(TABLE.pairs, StepContext("0")))
    save_state(uninterrupted.state_dict(), tmp_path / "state")
    arms = ARMS[::-1]
    resumed = annotator(policy=thompson(arms), arms=arms)
    resumed.load_state_dict(load_state(tmp_path / "state"))
    for one in (uninterrupted, resumed):
        one.observe(given_)
    step = StepContext("1")
    assert resumed.annotate(TABLE.pairs, step) == uninterrupted.annotate(TABLE.pairs, step)


def without(state, name):
    return State(state.arrays, {key: value for key, value in state.metadata.items() if key != name})


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: annotator(reward=BatchLossReward()), "of bandit ThompsonSampler, rewarded BatchLossReward"),
        (lambda: annotator(policy=LinUCB.without_prior(ARMS, D)), "bandit LinUCB"),
        (lambda: annotator(per="batch"), "per batch"),
        (lambda: annotator(references="all"), "compared all"),
        (lambda: annotator(policy=thompson(ARMS[:2]), arms=ARMS[:2]), "of the arms rm0, rm1, but here are"),
    ],
)
def test_the_state_of_another_strategy_is_refused(other, words):
    with pytest.raises(CheckpointError, match=words):
        annotator().load_state_dict(other().state_dict())


@pytest.mark.parametrize("part", ["kind", "policy", "reward", "pending", "references"])
def test_a_broken_state_is_refused_and_nothing_changed(part):
    def make():
        return annotator(policy=thompson(seed=1), references=ReferenceSampler(2, 1))

    ours, twin, saved = make(), make(), make()
    saved.annotate(TABLE.pairs, StepContext("x"))
    (given_, _) = [outcomes_of(one.annotate(TABLE.pairs, StepContext("0"))) for one in (ours, twin)]
    with pytest.raises(CheckpointError, match=f"no {part}"):
        ours.load_state_dict(without(saved.state_dict(), part))
    for one in (ours, twin):
        one.observe(given_)
    step = StepContext("1")
    assert ours.annotate(TABLE.pairs, step) == twin.annotate(TABLE.pairs, step)
    assert_same_beliefs(ours, twin, exactly=True)
