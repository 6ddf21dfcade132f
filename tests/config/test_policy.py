"""The policy's settings: the paper's defaults, the small preset, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pydantic
import pytest

from rewardrouter.config.base import validate
from rewardrouter.config.policy import PolicyConfig, small_policy_preset
from rewardrouter.errors import ConfigError


def models(model: type[pydantic.BaseModel]) -> Iterator[type[pydantic.BaseModel]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, pydantic.BaseModel):
            yield from models(field.annotation)


def test_every_setting_is_described():
    for model in models(PolicyConfig):
        assert all(field.description for field in model.model_fields.values()), model


def test_the_defaults_are_the_papers():
    config = PolicyConfig()
    assert (config.tuning, config.lora.rank, config.lora.alpha) == ("lora", 16, 32)
    assert config.lora.target_modules == ("q_proj", "v_proj")
    assert (config.loss, config.beta, config.learning_rate, config.weight_decay) == (
        "sigmoid",
        1.0,
        5e-6,
        0.0,
    )
    assert (config.max_prompt_tokens, config.max_response_tokens) == (128, 256)


def test_the_small_preset_fits_the_small_policy():
    config = small_policy_preset()
    assert (config.checkpoint, config.tuning, config.device) == (None, "full", "cpu")
    assert config.max_prompt_tokens + config.max_response_tokens <= config.small.positions


@pytest.mark.parametrize("config", [PolicyConfig(), small_policy_preset()])
def test_settings_survive_being_written_and_read(config):
    assert PolicyConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"leraning_rate": 1}, "leraning_rate: unknown key. Did you mean learning_rate?"),
        ({"loss": "dpo"}, "loss: found 'dpo', expected 'sigmoid', 'hinge' or 'ipo'"),
        ({"beta": 0}, "beta: found 0"),
        ({"tuning": "qlora"}, "tuning: found 'qlora'"),
        ({"checkpoint": ""}, "checkpoint"),
        ({"lora": {"rank": 0}}, "lora.rank: found 0"),
        ({"lora": {"target_modules": []}}, "lora.target_modules"),
        ({"max_prompt_tokens": 0}, "max_prompt_tokens: found 0"),
        ({"small": {"width": 33}}, "small: width 33 is no multiple of twice the 1 heads"),
        ({"small": {"block_tokens": 1000}}, "small: block_tokens 1000 is more than its 512 positions"),
        ({"small": {"vocabulary": 256}}, "small.vocabulary: found 256"),
    ],
)
def test_a_mistake_is_named(data, message):
    with pytest.raises(ConfigError) as caught:
        validate(PolicyConfig, data, source="c.yaml")
    assert message in str(caught.value)
