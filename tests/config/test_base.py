"""Errors of settings: which key, what was found, what was expected, where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest

from rewardrouter.config.base import StrictModel, validate
from rewardrouter.errors import ConfigError


class Online(StrictModel):
    prior_variance: float = pydantic.Field(0.02, gt=0)
    """Variance of the prior."""
    noise_variance: float = 1.0
    device: int | Literal["auto"] = "auto"
    normalise: bool = False


class Local(StrictModel):
    kind: Literal["hf"]
    name: str
    batch_size: int = 8


class Remote(StrictModel):
    kind: Literal["vllm"]
    name: str
    url: str


class Settings(StrictModel):
    online: Online = Online()
    rms: tuple[Annotated[Local | Remote, pydantic.Field(discriminator="kind")], ...] = ()
    loss: Literal["sigmoid", "hinge", "ipo"] = "sigmoid"
    sizes: dict[str, Online] = pydantic.Field(default_factory=dict)
    cache: Path | None = None

    @pydantic.field_validator("rms")
    @classmethod
    def _names_differ(cls, rms: tuple[Local | Remote, ...]) -> tuple[Local | Remote, ...]:
        if len({rm.name for rm in rms}) < len(rms):
            raise ValueError("two reward models\nhave one name")
        return rms


def error(data: object, **where: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(Settings, data, source="s.yaml", **where)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_style_guide_s_own_line() -> None:
    lines = {"online": 11, "online.prior_varience": 12}
    with pytest.raises(ConfigError) as caught:
        validate(Settings, {"online": {"prior_varience": 1}}, source="examples/gsm8k.yaml", lines=lines)
    assert str(caught.value) == (
        "online.prior_varience: unknown key. Did you mean prior_variance? (examples/gsm8k.yaml, line 12)"
    )


def test_unknown_key_without_a_near_one_names_the_known() -> None:
    assert error({"zzz": 1}) == "zzz: unknown key. Known keys: cache, loss, online, rms, sizes (s.yaml)"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"prior_variance": 1}, "prior_variance: unknown key. Did you mean online.prior_variance? (s.yaml)"),
        ({"online": {"loss": 1}}, "online.loss: unknown key. Did you mean loss? (s.yaml)"),
    ],
)
def test_a_key_of_another_section_is_suggested_with_its_path(data: object, expected: str) -> None:
    assert error(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"online": {"noise_variance": "high"}}, "online.noise_variance: found 'high', expected a number"),
        ({"online": {"noise_variance": [1]}}, "online.noise_variance: found [1], expected a number"),
        (
            {"online": {"prior_variance": -1}},
            "online.prior_variance: found -1, expected a value greater than 0",
        ),
        ({"online": {"normalise": "maybe"}}, "online.normalise: found 'maybe', expected true or false"),
        ({"online": {"device": "cpu"}}, "online.device: found 'cpu', expected a whole number or 'auto'"),
        ({"online": 3}, "online: found 3, expected a section of keys and values"),
        ({"online": None}, "online: found null, expected a section of keys and values"),
        ({"rms": 3}, "rms: found 3, expected a list"),
        ({"rms": True}, "rms: found true, expected a list"),
        (
            {"loss": "sigmod"},
            "loss: found 'sigmod', expected 'sigmoid', 'hinge' or 'ipo'. Did you mean sigmoid?",
        ),
        ({"rms": [{"kind": "hf"}]}, "rms.0.name: missing: this key must be given"),
        ({"rms": [{"name": "x"}]}, "rms.0.kind: missing: this key must be given"),
        (
            {"rms": [{"kind": "vlm"}]},
            "rms.0.kind: found 'vlm', expected one of 'hf', 'vllm'. Did you mean vllm?",
        ),
        (
            {"rms": [{"kind": "hf", "name": "x", "batch_sise": 1}]},
            "rms.0.batch_sise: unknown key. Did you mean batch_size?",
        ),
        (
            {"rms": [{"kind": "hf", "name": "x", "batch_size": 1.5}]},
            "rms.0.batch_size: found 1.5, expected a whole number",
        ),
        (
            {"sizes": {"big": {"normalize": True}}},
            "sizes.big.normalize: unknown key. Did you mean normalise?",
        ),
        (
            {"rms": [{"kind": "hf", "name": "x"}, {"kind": "hf", "name": "x"}]},
            "rms: two reward models have one name",
        ),
    ],
)
def test_each_mistake_names_key_found_and_expected(data: object, expected: str) -> None:
    assert error(data) == f"{expected} (s.yaml)"


def test_a_key_of_another_union_member_is_unknown() -> None:
    found = error({"rms": [{"kind": "hf", "name": "x", "urls": "y"}]})
    assert found.startswith("rms.0.urls: unknown key. Known keys: batch_size, kind, name")


def test_all_mistakes_stand_in_one_line_with_their_lines() -> None:
    data = {"online": {"noise_variance": "x"}, "loss": "y", "rms": [{"kind": "hf"}]}
    lines = {"online": 1, "online.noise_variance": 2, "loss": 3, "rms": 4, "rms.0": 5}
    assert error(data, lines=lines) == (
        "online.noise_variance: found 'x', expected a number (s.yaml, line 2); "
        "rms.0.name: missing: this key must be given (s.yaml, line 5); "
        "loss: found 'y', expected 'sigmoid', 'hinge' or 'ipo' (s.yaml, line 3)"
    )


def test_what_the_command_line_gave_is_located_there() -> None:
    found = error({"loss": "y"}, lines={"loss": 3}, overrides=["loss"])
    assert found.endswith("(--loss on the command line)")


def test_data_that_is_no_mapping() -> None:
    assert error([1]) == "found [1], expected a section of keys and values (s.yaml)"


def test_long_values_are_shortened() -> None:
    assert len(error({"loss": "y" * 500})) < 150


def test_models_are_frozen_and_documented() -> None:
    settings = Settings()
    with pytest.raises(pydantic.ValidationError):
        settings.loss = "ipo"  # type: ignore[misc]
    assert Online.model_fields["prior_variance"].description == "Variance of the prior."
