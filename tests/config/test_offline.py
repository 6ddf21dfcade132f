"""The offline router's settings: the presets, what is described, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pydantic
import pytest

from rewardrouter.config.base import validate
from rewardrouter.config.offline import FROZEN_POOLINGS, OfflineConfig, frozen_preset, full_preset
from rewardrouter.errors import ConfigError


def models(model: type[pydantic.BaseModel]) -> Iterator[type[pydantic.BaseModel]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, pydantic.BaseModel):
            yield from models(field.annotation)


def test_every_setting_is_described():
    for model in models(OfflineConfig):
        assert all(field.description for field in model.model_fields.values()), model


def test_the_full_preset_is_the_papers():
    config = full_preset()
    gradient = config.gradient
    assert not config.freeze_encoder
    assert (gradient.learning_rate, gradient.weight_decay, gradient.batch_size, gradient.epochs) == (
        2e-5,
        0.01,
        8,
        2,
    )
    assert (config.heads.cls_weight, config.fusion.kind, config.features.of) == (0.2, "mlp", "pair")
    assert (config.heads.normalise, config.encoder.poolings) == ("none", "auto")
    assert not any((config.features.statistics, config.features.standardise, config.features.surrogates))


def test_the_frozen_preset_is_solved():
    config = frozen_preset()
    assert config.fusion.length(576) == 384
    assert config.fusion.model_copy(update={"width": 7}).length(576) == 7
    assert config.freeze_encoder
    assert (config.fusion.kind, config.encoder.poolings) == ("linear", FROZEN_POOLINGS)
    assert config.features.statistics
    assert config.features.standardise
    assert config.features.surrogates
    assert 0.0 in config.solver.trust  # a router may always fall back on the best RM


@pytest.mark.parametrize("preset", [full_preset, frozen_preset])
def test_settings_survive_being_written_and_read(preset):
    config = preset()
    assert OfflineConfig.model_validate_json(config.model_dump_json()) == config
    assert validate(OfflineConfig, config.model_dump(mode="json"), source="router") == config


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"head": {}}, "head: unknown key. Did you mean heads?"),
        ({"heads": {"cls_wieght": 1}}, "heads.cls_wieght: unknown key. Did you mean cls_weight?"),
        ({"heads": {"cls_weight": -1}}, "heads.cls_weight: found -1"),
        ({"heads": {"normalise": "l2"}}, "heads.normalise: found 'l2', expected 'none' or 'cosine'"),
        ({"features": {"of": "response"}}, "features.of: found 'response'"),
        ({"features": {"surrogate_weight": 0}}, "features.surrogate_weight: found 0"),
        ({"fusion": {"kind": "tree"}}, "fusion.kind: found 'tree'"),
        ({"fusion": {"width": 0}}, "fusion.width: found 0"),
        ({"fusion": {"dropout": 1}}, "fusion.dropout: found 1"),
        ({"solver": {"prior_strength": []}}, "solver.prior_strength"),
        ({"solver": {"prior_strength": [0.1, -1]}}, "solver.prior_strength.1: found -1"),
        ({"solver": {"trust": []}}, "solver.trust"),
        ({"solver": {"trust": [1.5]}}, "solver.trust.0: found 1.5"),
        ({"solver": {"folds": 1}}, "solver.folds: found 1"),
        ({"gradient": {"learning_rate": 0}}, "gradient.learning_rate: found 0"),
        ({"gradient": {"validation": 0.6}}, "gradient.validation: found 0.6"),
        ({"gradient": {"validation": 0}}, "gradient.validation: found 0"),
        ({"gradient": {"checkpoint_steps": 0}}, "gradient.checkpoint_steps: found 0"),
        ({"seed": -1}, "seed: found -1"),
        ({"seed": 2**32}, "seed: found 4294967296"),
        ({"encoder": {"max_token": 256}}, "encoder.max_token: unknown key. Did you mean max_tokens?"),
    ],
)
def test_a_mistake_is_named_with_its_path(data, message):
    with pytest.raises(ConfigError) as caught:
        validate(OfflineConfig, data, source="c.yaml")
    assert message in str(caught.value)
    assert str(caught.value).endswith("(c.yaml)")
