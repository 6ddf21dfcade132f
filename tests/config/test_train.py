"""Settings of ``train``: the paper's by default, mistakes in one line."""

from __future__ import annotations

from typing import Any

import pytest

from rewardrouter.config.base import validate
from rewardrouter.config.loading import dump_config, load_config
from rewardrouter.config.online import OnlineSettings
from rewardrouter.config.train import TrainConfig
from rewardrouter.errors import ConfigError

LEAST: dict[str, Any] = {
    "policy": {"checkpoint": "p"},
    "annotator": {"router": "r", "pool": "pool.yaml"},
    "prompts": {"source": "prompts.jsonl"},
}


def config(**settings: Any) -> TrainConfig:
    return validate(TrainConfig, {**LEAST, **settings}, source="train.yaml")


def test_defaults_are_the_papers() -> None:
    """Section 4.1."""
    found = config()
    policy, lora = found.policy, found.policy.lora
    assert (policy.tuning, lora.rank, lora.alpha, lora.target_modules) == (
        "lora",
        16,
        32,
        ("q_proj", "v_proj"),
    )
    assert (policy.loss, policy.beta, policy.learning_rate, policy.weight_decay) == (
        "sigmoid",
        1.0,
        5e-6,
        0.0,
    )
    assert (found.prompts_per_step, found.generation.responses, found.generation.temperature) == (16, 6, 0.8)
    assert (found.pairs.per_prompt, found.pairs.rule) == (4, "random")
    assert (found.prompts.max_tokens, found.generation.max_new_tokens) == (128, 256)
    assert (found.epochs, found.steps, found.overlap, found.annotator.strategy) == (1, None, False, "router")


def test_what_a_step_asks_follows_from_it() -> None:
    found = config(
        prompts={"source": "x", "template": "none", "max_tokens": 7, "over_limit": "cut"},
        generation={"responses": 3},
        pairs={"rule": "all", "per_prompt": 9},
        overlap=True,
    ).online
    assert isinstance(found, OnlineSettings)
    assert (found.prompts.template, found.prompts.max_tokens, found.prompts.over_limit) == ("none", 7, "cut")
    assert (found.generation.responses, found.pairs.rule, found.overlap) == (3, "all", True)


def test_it_is_the_same_when_read_back(tmp_path: Any) -> None:
    found = config(verifier="module:function", arguments={"fsdp": "full_shard", "optim": "sgd"})
    (tmp_path / "config.yaml").write_text(dump_config(found), encoding="utf-8")
    assert load_config(TrainConfig, tmp_path / "config.yaml") == found


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"polcy": {}}, "polcy: unknown key. Did you mean policy?"),
        (
            {"policy": {"checkpoint": "p", "lerning_rate": 1}},
            "policy.lerning_rate: unknown key. Did you mean learning_",
        ),
        ({"policy": {"checkpoint": "p", "loss": "dpo"}}, "policy.loss"),
        ({"policy": {"checkpoint": "p", "beta": 0}}, "policy.beta"),
        ({"prompts": {"source": "x", "max_tokens": 0}}, "prompts.max_tokens"),
        ({"prompts_per_step": 6, "microbatches": 4}, "microbatches 4: must divide prompts_per_step 6"),
        (
            {"annotator": {**LEAST["annotator"], "strategy": "oracle"}},
            "annotator.strategy oracle labels with it",
        ),
        ({"evaluation": {"source": "x"}}, "verifier: missing; evaluation needs one"),
        ({"verifier": "module.function"}, "verifier"),
        ({"verifier": "not a name:f"}, "verifier"),
        ({"generation": {"responses": 1}}, "generation.responses 1: a pair needs two"),
        ({"generation": {"responses": 3}}, "pairs.per_prompt 4: 3 responses have 3 pairs"),
        ({"generation": {"temperature": 0}}, "temperature 0 would give 6 times the same response"),
        ({"seed": -1}, "seed"),
        ({"steps": 0}, "steps"),
        ({"save_every": 0}, "save_every"),
    ],
)
def test_mistakes_are_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as found:
        config(**settings)
    assert complaint in str(found.value)
    assert "\n" not in str(found.value)
