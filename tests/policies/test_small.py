"""The small policy: an ordinary checkpoint, made once, of texts without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tiny_policies import learnable_pairs
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardrouter.config.policy import SmallPolicyConfig, small_policy_preset
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.errors import CheckpointError
from rewardrouter.offline.splits import holdout
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.policies import PreferencePolicy, small, small_policy
from rewardrouter.policies.small import RECORD, read_record
from rewardrouter.verdicts import A

CONFIG = SmallPolicyConfig(
    vocabulary=300, width=16, mlp_width=16, block_tokens=16, blocks_per_step=4, epochs=2
)
PAIRS, LABELS = learnable_pairs(30)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != RECORD}


def test_it_is_an_ordinary_checkpoint(tmp_path, capfd):
    folder = small_policy(PAIRS, CONFIG, tmp_path / "runs" / "policy", seed=0)
    assert folder == tmp_path / "runs" / "policy"
    model, tokenizer = (kind.from_pretrained(folder) for kind in (AutoModelForCausalLM, AutoTokenizer))
    assert model.config.vocab_size == len(tokenizer) <= 300
    text = "What is 1 + 2? \U0001f600"
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert tokenizer.apply_chat_template(turns, tokenize=False) == "<|begin|><|user|>a<|assistant|>b<|end|>"
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "small policy: " in captured.err
    assert "shards" not in captured.err


def test_it_can_be_trained_as_a_policy(tmp_path):
    folder = small_policy(PAIRS, CONFIG, tmp_path / "policy", seed=0)
    settings = small_policy_preset().model_copy(update={"checkpoint": str(folder), "learning_rate": 1e-2})
    policy = PreferencePolicy.from_config(settings, seed=0)
    prepared, rows = policy.prepare(PAIRS), np.arange(30)
    for _ in range(10):
        policy.train_step(prepared, rows, LABELS, np.ones(30))
    assert roc_auc_score(LABELS > 0, policy.margins(prepared)) > 0.9


def test_the_same_is_made_once(tmp_path):
    folder = small_policy(PAIRS, CONFIG, tmp_path / "policy", seed=0)
    made = (folder / RECORD).stat().st_mtime_ns
    small_policy(PAIRS, CONFIG, folder, seed=0)
    assert (folder / RECORD).stat().st_mtime_ns == made
    before = contents(folder)
    for pairs, config, seed in (
        (PAIRS[:-1], CONFIG, 0),
        (PAIRS, CONFIG.model_copy(update={"epochs": 3}), 0),
        (PAIRS, CONFIG, 1),
    ):
        made = read_record(folder).made_of
        small_policy(pairs, config, folder, seed=seed)
        assert read_record(folder).made_of != made
    small_policy(PAIRS, CONFIG, folder, seed=0)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_neither_the_order_of_pairs_nor_that_of_responses_matters(tmp_path):
    turned = [pair.swapped() for pair in reversed(PAIRS)] + PAIRS[:5]
    one, other = (small_policy(p, CONFIG, tmp_path / str(n), seed=0) for n, p in enumerate((PAIRS, turned)))
    assert contents(one) == contents(other)


def test_a_build_that_dies_leaves_nothing(tmp_path, monkeypatch):
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(small, "train_language_model", die)
    with pytest.raises(KeyboardInterrupt):
        small_policy(PAIRS, CONFIG, tmp_path / "policy", seed=0)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="holds no small policy"):
        small_policy(PAIRS, CONFIG, tmp_path, seed=0)
    assert (tmp_path / "thesis.txt").exists()


def test_conversations_and_broken_unicode_are_read(tmp_path):
    chat = (Message("system", "Be brief \ud83d."), Message("user", "What?"))
    pairs = [PreferencePair("chat", chat, (Message("assistant", "Paris"),), ""), *PAIRS]
    assert read_record(small_policy(pairs, CONFIG, tmp_path / "policy", seed=0)).texts == 62


@pytest.mark.slow
def test_on_real_texts_it_is_a_language_model_that_learns_preferences(shared_data, tmp_path):
    table = load_verdicts(shared_data / "verdicts" / "rewardbench9_dev.parquet").table
    table = table.select(holdout(table.groups, 0.25, seed=0))
    settings = small_policy_preset()
    few = settings.small.model_copy(update={"epochs": 2})
    folder = small_policy(table.pairs, few, tmp_path / "policy", seed=0)
    record = read_record(folder)
    assert record.epoch_losses[-1] < 0.75 * record.unigram_entropy
    policy = PreferencePolicy.from_config(settings.model_copy(update={"checkpoint": str(folder)}), seed=0)
    prepared = policy.prepare(table.pairs)
    for batch in np.array_split(np.random.default_rng(0).permutation(len(table)), len(table) // 64) * 4:
        policy.train_step(prepared, batch, table.labels[batch], np.ones(len(batch)))
    assert roc_auc_score(table.labels == A, policy.margins(prepared)) > 0.8
