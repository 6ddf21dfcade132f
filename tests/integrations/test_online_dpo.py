"""An annotator's labels in TRL's experimental online DPO."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from scripted_scorer import ScriptedScorer
from text_rewards import TextScorer, hashed, pool_of, three_scorers
from tiny_trainers import tiny_online_dpo

from rewardrouter.annotators import BayesianRouterAnnotator, OfflineOnlyAnnotator, SingleAnnotator
from rewardrouter.errors import CheckpointError, ConfigError, DataError
from rewardrouter.integrations import RoutedPairs, SaveRouter
from rewardrouter.integrations.saving import STATE_FILE

ARMS = ("rm0", "rm1", "rm2")


def single(score):
    return RoutedPairs(SingleAnnotator(pool_of(TextScorer("rm", score)), "rm"))


def learning(seed=0):
    return BayesianRouterAnnotator(
        pool_of(*three_scorers()), ScriptedScorer(ARMS), prior_variance=1.0, seed=seed
    )


def test_the_better_completion_of_each_pair_gets_1():
    rewards = single(float)(["p", "q", "p", "q"], ["1", "5", "2", "4"], [[1]] * 4)
    assert rewards == [0.0, 1.0, 1.0, 0.0]


def test_a_pair_without_a_label_is_counted_and_told(capsys):
    pairs = single(lambda text: None if text == "?" else float(text))
    assert pairs(["p", "q", "p", "q"], ["1", "5", "?", "4"]) == [0.0, 1.0, 0.0, 0.0]
    assert pairs.failed == 1
    assert (
        "1 of 2 pairs got no label, and are trained on with one by chance: rm: no score"
        in capsys.readouterr().err
    )


def test_nobody_is_asked_about_equal_completions():
    rm = TextScorer("rm", float)
    pairs = RoutedPairs(SingleAnnotator(pool_of(rm), "rm"))
    assert pairs(["p", "q", "p", "q"], ["1", "5", "2", "5"]) == [0.0, 0.0, 1.0, 0.0]
    assert rm.calls == [[("1", "2")]]
    assert pairs.failed == 0


def test_the_annotator_sees_texts_and_columns():
    seen = []

    class Kept(SingleAnnotator):
        def annotate(self, pairs, step):
            seen.extend(pairs)
            return super().annotate(pairs, step)

    pairs = RoutedPairs(Kept(pool_of(TextScorer("rm", float)), "rm"))
    chat = [[{"role": "user", "content": "p"}]] * 2
    pairs(chat, [[{"role": "assistant", "content": n}] for n in "12"], answer=["a", "a"], trainer_state=None)
    (pair,) = seen
    assert (pair.prompt[0].content, pair.response_b[0].content) == ("p", "2")
    assert pair.metadata["answer"] == "a"


def test_another_trainers_layout_is_refused():
    with pytest.raises(DataError, match="for GRPO and RLOO take RoutedReward"):
        single(float)(["p", "p", "q", "q"], list("1234"))


def test_a_trl_without_it_is_told(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "rewardrouter.integrations.online_dpo.importlib.util.find_spec",
        lambda name: None if name.endswith("online_dpo") else find(name),
    )
    with pytest.raises(ConfigError, match=r"has no trl.experimental.online_dpo; take RoutedDPOTrainer"):
        single(float)
    monkeypatch.setattr("rewardrouter.integrations.online_dpo.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'rewardrouter\[train\]'"):
        single(float)


@pytest.mark.parametrize("chat", [False, True])
def test_the_trainer_learns_what_the_annotator_prefers(chat, tiny_llama, tmp_path):
    """Every completion with the better score is chosen: the trainer's own loss says so."""
    score = hashed("s")
    pairs = single(score)
    trainer = tiny_online_dpo(tiny_llama, tmp_path, pairs, chat=chat, max_steps=2)
    trainer.add_callback(SaveRouter(pairs))
    margins = []
    calculate = trainer._calculate_rewards_from_functions

    def kept(**given):
        rewards = calculate(**given)
        texts = [c if isinstance(c, str) else c[0]["content"] for c in given["completions"]]
        ahead = np.array([score(text) for text in texts]).reshape(2, -1)
        margins.append(
            (np.sign(ahead[0] - ahead[1]), (rewards.view(2, -1)[0] - rewards.view(2, -1)[1]).numpy())
        )
        return rewards

    trainer._calculate_rewards_from_functions = kept
    trainer.train()
    assert len(margins) == 2
    for wanted, found in margins:
        np.testing.assert_array_equal(wanted, found)


@pytest.mark.parametrize("chat", [False, True])
def test_the_annotator_learns_from_the_trainers_own_losses(chat, tiny_llama, tmp_path):
    seen = []

    class Kept(BayesianRouterAnnotator):
        def observe(self, outcomes):
            seen.append(list(outcomes.values()))
            super().observe(outcomes)

    annotator = Kept(pool_of(*three_scorers()), ScriptedScorer(ARMS), prior_variance=1.0)
    pairs = RoutedPairs(annotator, beta=2.0)
    trainer = tiny_online_dpo(tiny_llama, tmp_path, pairs, chat=chat, max_steps=4, save_steps=4, beta=2.0)
    trainer.add_callback(SaveRouter(pairs))
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    for outcomes, loss in zip(seen, losses, strict=True):
        assert np.mean([one.loss for one in outcomes]) == pytest.approx(
            loss, abs=6e-5
        )  # it is logged with four digits
        for one in outcomes:
            assert one.loss - one.swapped_loss == pytest.approx(-one.margin)
    assert any(abs(one.margin) > 0.1 for outcomes in seen for one in outcomes)
    assert annotator.policy.posteriors.counts.sum() == sum(map(len, seen))
    assert (tmp_path / "checkpoint-4" / STATE_FILE).is_file()


def test_going_on_from_a_state_gives_the_same():
    def called(pairs, step):
        prompts = [f"{step}/{n}" for n in range(6)] * 2
        return pairs(prompts, [f"{step} {n}" for n in range(12)])

    whole, first, again = (RoutedPairs(learning(seed)) for seed in (0, 0, 5))
    for step in range(3):
        assert called(whole, step) == called(first, step)
    again.load_state_dict(first.state_dict())
    assert called(again, 3) == called(whole, 3)
    with pytest.raises(CheckpointError):
        RoutedPairs(OfflineOnlyAnnotator(pool_of(*three_scorers()), ScriptedScorer(ARMS))).load_state_dict(
            whole.state_dict()
        )


def test_padding_after_the_end_is_no_part_of_a_completion(tiny_llama, tmp_path):
    pairs = RoutedPairs(learning(), beta=0.1)
    trainer = tiny_online_dpo(tiny_llama, tmp_path, pairs)
    trainer.add_callback(SaveRouter(pairs))
    pairs.watch(trainer.model, trainer.processing_class)
    end = trainer.processing_class.eos_token_id
    with torch.no_grad():
        one = pairs._margins(["p", "p"], [[40, end, end, end], [50, 51, 52, 53]], 1.0)
        other = pairs._margins(["p", "p"], [[40, end], [50, 51, 52, 53]], 1.0)
    assert one == other
