"""A routed reward as a function: what it returns, learns, logs and remembers."""

from __future__ import annotations

import numpy as np
import pytest
from scripted_scorer import ScriptedScorer
from text_rewards import SameForAll, TextJudge, TextScorer, hashed, routed, three_scorers

from rewardrouter.annotators import ScoreScale
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.integrations import AgreementFeedback, NoFeedback, VerifierFeedback
from rewardrouter.integrations.groups import groups_of, pairs_of
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.state import load_state, save_state

G = 4


def batch(step=0, prompts=3, generations=G):
    """Prompts repeated, and a completion for each."""
    asked = [f"prompt {step}/{n}" for n in range(prompts) for _ in range(generations)]
    return asked, [f"completion {step}/{n}" for n in range(prompts * generations)]


def right(text, row):
    return int(text[-1]) % 2 == 0


def taught(*models, **options):
    return routed(*models, **{"feedback": VerifierFeedback(right), "prior_variance": 1.0, **options})


class Mode:
    """A model that only says whether it is in training."""

    def __init__(self, training):
        self.training = training


def test_it_is_what_its_parts_give():
    """One call, worked out by hand: draws, contexts, standardised scores, and the posterior."""
    reward = taught(seed=4)
    router = ScriptedScorer(["rm0", "rm1", "rm2"])
    sampler = ThompsonSampler.with_prior(router.arms, router.prior_mean, prior_variance=1.0, seed=4)
    prompts, completions = batch()
    groups = groups_of(prompts, completions)
    h = np.stack([router.contexts(pairs_of(group, 16, 4, {})[1]).mean(axis=0) for group in groups])
    arms = sampler.choose(h)
    score = [hashed("0"), hashed("1", 50.0, 7.0), hashed("2", 0.01)]
    raw = np.array(
        [[score[arm](text) for text in g.completions] for arm, g in zip(arms, groups, strict=True)]
    )
    wanted, agreements = np.empty_like(raw), []
    for n, group in enumerate(groups):
        seen = raw[arms == arms[n]]
        wanted[n] = (raw[n] - seen.mean()) / seen.std()
        values = [right(text, {}) for text in group.completions]
        pairs = [(i, j) for i in range(G) for j in range(G) if values[i] and not values[j]]
        agreements.append(np.mean([raw[n, i] > raw[n, j] for i, j in pairs]))
    sampler.update(h, arms, agreements)

    np.testing.assert_allclose(reward(prompts, completions), wanted.ravel())
    assert reward.last_rewards == agreements
    np.testing.assert_array_equal(reward.policy.posteriors.mean, sampler.posteriors.mean)
    assert reward.answered == {f"rm{n}": int((arms == n).sum()) for n in range(3)}


def test_trl_knows_its_name():
    assert routed().__name__ == "routed_reward"
    assert routed(name="helpful").__name__ == "helpful"


def test_the_bandit_comes_to_trust_the_rm_that_the_verifier_confirms():
    good = TextScorer("good", lambda text: float(right(text, {})))
    bad = TextScorer("bad", lambda text: -float(right(text, {})))
    reward = taught(good, bad, router=SameForAll(["good", "bad"]), noise_variance=0.1)
    for step in range(40):
        reward(*batch(step))
    before = dict(reward.answered)
    for step in range(40, 60):
        reward(*batch(step))
    assert reward.answered["good"] - before["good"] > 50  # of 60


def test_without_feedback_it_goes_where_the_offline_router_would():
    router = ScriptedScorer(["rm0", "rm1", "rm2"])
    chosen = []
    reward = routed(feedback=NoFeedback())
    before = reward.policy.state_dict()
    prompts, completions = batch(prompts=20)
    reward(prompts, completions, log_extra=lambda column, values: chosen.extend(values))
    for group, name in zip(groups_of(prompts, completions), chosen[::G], strict=True):
        h = router.contexts(pairs_of(group, 16, 0, {})[1]).mean(axis=0)
        assert router.arms[np.argmax(router.prior_mean @ h)] == name
    assert reward.policy.state_dict().metadata == before.metadata
    assert len(set(chosen)) > 1


def test_all_completions_of_a_prompt_have_one_rm_and_its_order():
    prompts, completions = batch(prompts=30)
    chosen = []
    found = taught()(prompts, completions, log_extra=lambda column, values: chosen.extend(values))
    score = {"rm0": hashed("0"), "rm1": hashed("1"), "rm2": hashed("2")}
    for start in range(0, len(prompts), G):
        group = slice(start, start + G)
        (name,) = set(chosen[group])
        assert (
            np.argsort(found[group]).tolist()
            == np.argsort([score[name](t) for t in completions[group]]).tolist()
        )
    assert set(chosen) == set(score)


def test_a_scale_comes_from_what_fitting_saw():
    rm = TextScorer("rm", float)
    reward = routed(rm, scales={"rm": ScoreScale(10.0, 2.0)}, scale_weight=1e9)
    assert reward(["p"] * 3, ["10", "12", "6"]) == pytest.approx([0.0, 1.0, -2.0], abs=1e-6)


def test_equal_completions_have_equal_rewards_and_are_judged_once():
    rm = TextScorer("rm", hashed("s"))
    found = taught(rm)(["p"] * 5, ["a0", "b1", "a0", "c2", "b1"])
    assert (found[0], found[1]) == (found[2], found[4])
    assert sorted(text for pair in rm.calls[0] for text in pair if text == "b1") == ["b1"]


def test_a_prompt_whose_completions_are_all_equal_is_scored_and_teaches_nothing():
    reward = taught(scales={f"rm{n}": ScoreScale(0.0, 1.0) for n in range(3)})
    found = reward(["p"] * G, ["same 2"] * G)
    assert len(set(found)) == 1
    assert found[0]
    assert reward.last_rewards == []


def test_a_prompt_that_no_rm_answers_has_no_reward(capsys):
    dumb = TextScorer("rm0", lambda text: None if "/1" in text else 0.1 * int(text[-1]))
    reward, metrics = taught(dumb), {}
    prompts = ["p"] * 2 + ["q"] * 2
    found = reward(prompts, ["a 0", "b/1", "c 2", "d 3"], log_metric=metrics.__setitem__)
    assert found[:2] == [None, None]
    assert found[2:] == pytest.approx([-1.0, 1.0])
    assert reward.failed == 1
    assert metrics["routed_reward/failed"] == 1.0
    assert metrics["routed_reward/share/rm0"] == 0.5
    assert metrics["routed_reward/bandit_reward"] == 0.0  # 'c 2' is right, and has the lower score
    assert "1 of 2 prompts got no reward: rm0: no score" in capsys.readouterr().err


def test_judges_and_scorers_mix():
    reward = taught(TextJudge("judge", hashed("j")), TextScorer("scorer", hashed("s", 100.0)))
    found = [reward(*batch(step)) for step in range(20)]
    assert min(reward.answered.values()) > 5
    assert np.abs(found).max() < 4


def test_messages_are_read_as_their_text():
    asked, answered = batch()
    plain, seen = taught(), []

    def verify(text, row):
        seen.append((text, row["prompt"]))
        return right(text, row)

    chat = taught(feedback=VerifierFeedback(verify))
    prompts = [[{"role": "user", "content": text}] for text in asked]
    found = chat(prompts, [[{"role": "assistant", "content": text}] for text in answered])
    assert seen == list(zip(answered, prompts, strict=True))
    assert len(found) == len(plain(asked, answered))
    assert None not in found


def test_reward_models_and_verifier_see_the_columns():
    seen = []

    class Gold(TextScorer):
        def judge(self, pairs):
            seen.extend(pair.metadata["answer"] for pair in pairs)
            return super().judge(pairs)

    reward = routed(Gold("rm", hashed("s")), feedback=VerifierFeedback.gold("answer"))
    reward(["p", "p", "q", "q"], ["a", "b", "c", "d"], answer=["a", "a", "d", "d"], trainer_state=object())
    assert seen == ["a", "d"]
    assert len(reward.last_rewards) == 2


def test_evaluation_is_greedy_and_leaves_everything_as_it_was():
    reward, untouched = taught(), taught()
    for one in (reward, untouched):
        one.watch(Mode(training=True), None)
        one(*batch(0))
    reward.watch(Mode(training=False), None)
    first = reward(*batch(1))
    assert reward(*batch(1)) == first
    assert reward.last_rewards == []
    reward.watch(Mode(training=True), None)
    assert reward(*batch(2)) == untouched(*batch(2))
    assert reward.answered == untouched.answered


def test_going_on_from_a_state_gives_the_same(tmp_path):
    whole, first = taught(), taught()
    for step in range(3):
        whole(*batch(step))
        first(*batch(step))
    save_state(first.state_dict(), tmp_path / "state")
    again = taught()
    again(*batch(9))
    again.load_state_dict(load_state(tmp_path / "state"))
    for step in range(3, 6):
        assert again(*batch(step)) == whole(*batch(step))
        assert again.last_rewards == whole.last_rewards
    assert again.answered == whole.answered


def test_a_state_that_does_not_fit_changes_nothing():
    reward = taught()
    reward(*batch(0))
    before = reward.state_dict()
    with pytest.raises(CheckpointError, match=r"seed 5, here 0; give the same settings"):
        reward.load_state_dict(taught(seed=5).state_dict())
    with pytest.raises(CheckpointError, match="feedback agreement, here verifier"):
        reward.load_state_dict(taught(feedback=AgreementFeedback()).state_dict())
    with pytest.raises(CheckpointError, match="prior_variance"):
        reward.load_state_dict(taught(prior_variance=0.5).state_dict())
    with pytest.raises(CheckpointError, match="counts of rm"):
        reward.load_state_dict(taught(*three_scorers()[:2], TextScorer("rm9", hashed("9"))).state_dict())
    assert reward.state_dict().metadata == before.metadata


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="pairs_per_prompt"):
        routed(pairs_per_prompt=0)
    with pytest.raises(ConfigError, match="prior_variance"):
        routed(prior_variance=-1)
