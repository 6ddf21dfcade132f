"""Routed rewards in TRL's own GRPO and RLOO trainers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from text_rewards import TextScorer, hashed, routed
from tiny_trainers import tiny_trainer

from rewardrouter.errors import CheckpointError
from rewardrouter.integrations import AgreementFeedback, SaveRouter, VerifierFeedback
from rewardrouter.integrations.groups import groups_of
from rewardrouter.integrations.saving import STATE_FILE

KINDS = ("grpo", "rloo")


def verified(*models, **options):
    feedback = VerifierFeedback(lambda text, row: len(text) % 3)
    return routed(*models, **{"feedback": feedback, "prior_variance": 1.0, **options})


def losses(trainer):
    return [(row["loss"], row["grad_norm"]) for row in trainer.state.log_history if "grad_norm" in row]


class Recorded:
    """A reward function that keeps what it was asked and what it answered."""

    __name__ = "recorded"

    def __init__(self, reward):
        self.reward, self.asked, self.answered = reward, [], []

    def __call__(self, prompts, completions, completion_ids, **more):
        found = self.reward(prompts, completions, completion_ids, **more)
        self.asked.append((prompts, completions, completion_ids))
        self.answered.append(found)
        return found


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_and_logs(kind, chat, tiny_llama, tmp_path):
    reward = verified()
    recorded = Recorded(reward)
    trainer = tiny_trainer(kind, tiny_llama, tmp_path, recorded, chat=chat, max_steps=2)
    trainer.add_callback(SaveRouter(reward))
    trainer.train()
    assert len(recorded.asked) == 2
    for prompts, completions, _ in recorded.asked:
        texts = [str(text) for text in completions]
        assert [len(g.completions) for g in groups_of([str(p) for p in prompts], texts)] == [3, 3]
    assert sum(reward.answered.values()) == 4
    shares = [
        [value for name, value in row.items() if name.startswith("routed_reward/share/")]
        for row in trainer.state.log_history
        if "loss" in row
    ]
    assert [sum(share) for share in shares] == [1.0, 1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_without_an_answer_does_not_move_the_policy(kind, tiny_llama_without_template, tmp_path):
    reward = routed(TextScorer("rm", lambda text: None))
    trainer = tiny_trainer(kind, tiny_llama_without_template, tmp_path, reward, max_steps=1, beta=0.0)
    before = [weight.detach().clone() for weight in trainer.model.parameters()]
    trainer.train()
    assert reward.failed == 2
    assert all(torch.equal(*both) for both in zip(before, trainer.model.parameters(), strict=True))
    (row,) = (row for row in trainer.state.log_history if "loss" in row)
    assert row["routed_reward/failed"] == 2


@pytest.mark.parametrize("kind", KINDS)
def test_evaluating_changes_nothing(kind, tiny_llama_without_template, tmp_path):
    found = []
    for evaluate in (False, True):
        reward = verified()
        trainer = tiny_trainer(kind, tiny_llama_without_template, tmp_path, reward)
        trainer.add_callback(SaveRouter(reward))
        trainer.train()
        if evaluate:
            with torch.random.fork_rng():  # it draws completions
                assert "eval_routed_reward/failed" in trainer.evaluate()
        trainer.train()
        found.append((reward.policy.posteriors.mean, losses(trainer)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_is_uninterrupted(kind, tiny_llama_without_template, tmp_path):
    settings = {"max_steps": 4, "save_steps": 2, "lora": True}
    whole = verified()
    one = tiny_trainer(kind, tiny_llama_without_template, tmp_path / "whole", whole, **settings)
    one.add_callback(SaveRouter(whole))
    one.train()
    assert (tmp_path / "whole" / "checkpoint-2" / STATE_FILE).is_file()

    resumed = verified()
    two = tiny_trainer(kind, tiny_llama_without_template, tmp_path / "whole", resumed, **settings)
    two.add_callback(SaveRouter(resumed))
    two.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    np.testing.assert_array_equal(whole.policy.posteriors.mean, resumed.policy.posteriors.mean)
    assert whole.state_dict().metadata == resumed.state_dict().metadata
    assert losses(one)[2:] == losses(two)[2:]
    for left, right in zip(one.model.parameters(), two.model.parameters(), strict=True):
        assert torch.equal(left, right)


def test_a_checkpoint_elsewhere_is_named_to_the_callback(tiny_llama_without_template, tmp_path):
    settings = {"max_steps": 2, "save_steps": 1}
    reward = verified()
    trainer = tiny_trainer("grpo", tiny_llama_without_template, tmp_path / "a", reward, **settings)
    trainer.add_callback(SaveRouter(reward))
    trainer.train()
    checkpoint = tmp_path / "a" / "checkpoint-1"

    for given in (None, checkpoint):
        again = verified()
        trainer = tiny_trainer("grpo", tiny_llama_without_template, tmp_path / "b", again, **settings)
        trainer.add_callback(SaveRouter(again, resume_from=given))
        if given is None:
            with pytest.raises(CheckpointError, match="give SaveRouter"):
                trainer.train(resume_from_checkpoint=str(checkpoint))
        else:
            trainer.train(resume_from_checkpoint=str(checkpoint))
            assert again.answered == reward.answered


@pytest.mark.parametrize("kind", KINDS)
def test_agreement_compares_with_the_policy_without_its_adapter(kind, tiny_llama, tmp_path):
    """The log-ratios are TRL's own, summed over the tokens of its prompts and completions; at first they are 0."""
    feedback, learnt, own = AgreementFeedback(), [], []
    reward = routed(TextScorer("rm", hashed("s")), feedback=feedback)
    trainer = tiny_trainer(
        kind, tiny_llama, tmp_path, reward, chat=True, lora=True, beta=0.1, temperature=1.0
    )
    trainer.add_callback(SaveRouter(reward))
    values, per_token = feedback.values, trainer._get_per_token_logps_and_entropies

    def watched(completions):
        found = values(completions)
        learnt.append(found)
        return found

    def kept(model, ids, mask, logits_to_keep, *more, **options):
        found = per_token(model, ids, mask, logits_to_keep, *more, **options)
        if not torch.is_grad_enabled():
            own.append((found[0] * mask[:, -logits_to_keep:]).sum(1).tolist())
        return found

    feedback.values, trainer._get_per_token_logps_and_entropies = watched, kept
    trainer.train()
    assert learnt[0] == [0.0] * 6
    assert np.abs(learnt[-1]).max() > 1e-3
    if kind == "rloo":  # computes both before it asks for rewards, step by step
        policy, reference = np.array(own[0::2]), np.array(own[1::2])
        np.testing.assert_allclose(np.array(learnt), policy - reference, atol=1e-4)
    assert reward.answered == {"rm": 6}
