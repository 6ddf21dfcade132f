"""The encoder's settings: what they are when nothing is said, and what is refused."""

from __future__ import annotations

import pytest

from rewardrouter.config.base import validate
from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.errors import ConfigError


def test_nothing_said_is_the_embedded_encoder():
    config = EncoderConfig()
    assert (config.checkpoint, config.max_tokens, config.poolings) == ("minilm", 512, "auto")
    assert (config.precision, config.device, config.trust_remote_code) == ("auto", "auto", False)


def test_every_setting_is_described():
    assert all(field.description for field in EncoderConfig.model_fields.values())


def test_settings_survive_being_written_and_read():
    config = EncoderConfig(checkpoint="a/b", revision="main", poolings=("all.mean@-1", "prompt.max@0"))
    assert EncoderConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"max_token": 256}, "Did you mean max_tokens?"),
        ({"max_tokens": 0}, "max_tokens: found 0"),
        ({"precision": "fp16"}, "precision: found 'fp16'"),
        ({"batch_tokens": 0}, "batch_tokens: found 0"),
        ({"checkpoint": ""}, "checkpoint"),
        ({"poolings": "mean"}, "poolings: found 'mean'"),
    ],
)
def test_a_mistake_is_named(data, message):
    with pytest.raises(ConfigError) as caught:
        validate(EncoderConfig, data, source="c.yaml")
    assert message in str(caught.value)
