"""Settings of generation."""

from __future__ import annotations

import pytest

from rewardrouter.config.base import validate
from rewardrouter.config.generation import SamplingSettings
from rewardrouter.errors import ConfigError


def test_the_defaults_are_the_papers() -> None:
    settings = SamplingSettings()
    assert (settings.responses, settings.temperature, settings.max_new_tokens) == (6, 0.8, 256)
    assert (settings.top_k, settings.top_p, settings.engine) == (0, 1.0, "transformers")


def test_the_likeliest_tokens_make_one_response_only() -> None:
    assert SamplingSettings(temperature=0, responses=1).temperature == 0
    with pytest.raises(ConfigError, match="6 times the same response"):
        validate(SamplingSettings, {"temperature": 0}, source="test")


def test_a_server_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"vllm\.url and vllm\.adapter_folder"):
        validate(SamplingSettings, {"engine": "vllm"}, source="test")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8000", "no address"),
        ("file:///etc/passwd", "no address"),
        ("http://", "no address"),
        ("http://host:8000/v1/", "without /v1"),
        ("http://me:secret@host:8000", "VLLM_API_KEY"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        validate(SamplingSettings, {"vllm": {"url": url, "adapter_folder": "a"}}, source="test")
    assert "vllm.url" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_address_may_end_in_a_slash_and_have_a_path() -> None:
    found = SamplingSettings.model_validate({"vllm": {"url": "https://host/vllm/", "adapter_folder": "a"}})
    assert found.vllm is not None
    assert found.vllm.url == "https://host/vllm"
