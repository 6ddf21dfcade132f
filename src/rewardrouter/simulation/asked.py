"""Strategies as they are asked for: ``NAME``, ``NAME:key=value,key=value``, ``NAME@budget`` where one has a budget."""

from __future__ import annotations

import re
from typing import TypeVar

from rewardrouter.config.base import StrictModel
from rewardrouter.config.loading import load_config
from rewardrouter.errors import ConfigError

S = TypeVar("S", bound=StrictModel)

_DECIMAL = re.compile(r"-?(\d+\.?\d*|\.\d+)(e-?\d+)?")
"""A budget behind ``@``: YAML would read more as a number, such as ``true`` or ``0x2``. Its range is checked later."""


def name_of(text: str) -> str:
    """Return the name alone: ``router+cascade`` of ``router+cascade@1.35:order=router``."""
    return text.partition(":")[0].partition("@")[0]


def settings_of(cls: type[S], text: str) -> S:
    """Return the settings that ``text`` gives.

    Raises
    ------
    ConfigError
        If a setting is unknown or its value is not allowed.
    """
    head, colon, given = text.partition(":")
    _, at, budget = head.partition("@")
    parts = ([f"budget={budget}"] if at else []) + (given.split(",") if colon else [])
    keys = [part.partition("=")[0].strip() for part in parts]
    if "" in keys:
        raise ConfigError(f"strategy {text}: a setting is empty; write NAME:key=value,key=value")
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ConfigError(f"strategy {text}: {twice[0]} is given twice; give it once")
    if at and not _DECIMAL.fullmatch(budget):
        raise ConfigError(f"strategy {text}: budget: found {budget!r}, expected a number such as 1.35")
    try:
        return load_config(cls, None, parts)
    except ConfigError as error:
        # Where it stands is said in front: it is no option of its own.
        said = re.sub(r" \((?:--\S+ on the )?command line\)$", "", str(error))
        raise ConfigError(f"strategy {text}: {said}") from None


def canonical(name: str, settings: StrictModel) -> str:
    """Return the one name of a strategy: settings that are the default are not part of it, a budget always is."""
    changed = settings.model_dump(exclude_defaults=True)
    budget = getattr(settings, "budget", None)
    changed.pop("budget", None)
    values = ",".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in changed.items()
    )
    whole = name if budget is None else f"{name}@{budget!r}"
    return f"{whole}:{values}" if values else whole
