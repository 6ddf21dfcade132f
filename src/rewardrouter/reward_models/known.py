"""What is known of public reward models: how they read a conversation, so that nobody need find it out again.

The data are in ``known.yaml``. An entry of a pool file overrides each of its settings; ``like: HUB_ID`` applies them to
a copy under another name.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

from rewardrouter.config.base import StrictModel
from rewardrouter.config.loading import load_config
from rewardrouter.config.pool import HfConfig
from rewardrouter.config.text_form import TextForm
from rewardrouter.errors import CheckpointError, ConfigError, did_you_mean

Settings = TypeVar("Settings", bound=StrictModel)

FILE = Path(__file__).with_name("known.yaml")

_TAKEN_OVER = ("template", "form", "system", "max_tokens")
"""Settings that an entry takes over where it does not give them."""


class KnownModel(StrictModel):
    """Reward models that are read alike; the settings are those of ``HfConfig``."""

    ids: tuple[str, ...] = Field(min_length=1)
    """Their hub ids, ``*`` for any letters."""

    documented: str
    """Where the authors say so."""

    template: Literal["auto", "none"] = "auto"
    """Whether the tokenizer's chat template is used."""

    form: TextForm | None = None
    """The form in its place."""

    system: str | None = None
    """A system message for prompts without one."""

    max_tokens: int | None = None
    """Tokens of a text."""

    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of the weights on a GPU."""


class RefusedModel(StrictModel):
    """Reward models that cannot be read as sequence classifiers."""

    ids: tuple[str, ...] = Field(min_length=1)
    """Their hub ids, ``*`` for any letters."""

    reason: str
    """Why, and what to use."""


class KnownModels(StrictModel):
    """What ``known.yaml`` holds."""

    models: tuple[KnownModel, ...]
    """Those that are read as said."""

    refused: tuple[RefusedModel, ...]
    """Those that cannot be read."""


@cache
def known_models() -> KnownModels:
    """Return the data of ``known.yaml``."""
    return load_config(KnownModels, FILE)


def known_model(hub_id: str) -> KnownModel | None:
    """Return what is known of a hub id."""
    return next((model for model in known_models().models if _names(model.ids, hub_id)), None)


def completed(config: HfConfig) -> HfConfig:
    """Return the settings of an entry, those that it does not give as they are known of its model.

    ``dtype`` stays as it is: what is known of it holds on a GPU alone.

    Raises
    ------
    CheckpointError
        If the model is known to be none that can be read.
    ConfigError
        If nothing is known of what it is said to be like.
    """
    known = _known(config)
    return config if known is None else taken_over(config, known)


def taken_over(config: Settings, known: KnownModel) -> Settings:
    """Return the settings of an entry, those that it does not give as ``known``."""
    given = config.model_fields_set
    wanted = [name for name in _TAKEN_OVER if name not in given]
    if given & {"template", "form"}:  # one stands in place of the other
        wanted = [name for name in wanted if name not in ("template", "form")]
    update: dict[str, Any] = {name: getattr(known, name) for name in wanted}
    return config.model_copy(update=update)


def usual_dtype(config: HfConfig) -> str:
    """Return the dtype that a known model's authors use on a GPU, ``auto`` where that is not known."""
    known = known_model(config.like or config.source)
    return "auto" if known is None else known.dtype


def _known(config: HfConfig) -> KnownModel | None:
    name = config.like or config.source
    for refused in known_models().refused:
        if _names(refused.ids, name):
            raise CheckpointError(f"reward model {config.name} ({name}): {refused.reason}")
    known = known_model(name)
    if known is None and config.like is not None:
        ids = [one for model in known_models().models for one in model.ids]
        raise ConfigError(
            f"reward model {config.name}: like: nothing is known of {config.like}.{did_you_mean(config.like, ids)}"
            f" Known: {', '.join(ids)}"
        )
    return known


def _names(patterns: Iterable[str], hub_id: str) -> bool:
    return any(fnmatch.fnmatchcase(hub_id.lower(), pattern.lower()) for pattern in patterns)
