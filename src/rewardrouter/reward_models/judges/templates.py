"""The templates that come with the package (``templates.yaml``), by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rewardrouter.config.base import validate
from rewardrouter.config.judging import JudgeTemplate
from rewardrouter.config.loading import read_yaml
from rewardrouter.errors import ConfigError, did_you_mean

_FILE = Path(__file__).with_name("templates.yaml")


@cache
def judge_templates() -> dict[str, JudgeTemplate]:
    """Return all of them."""
    document = read_yaml(_FILE)
    return {
        name: validate(JudgeTemplate, data, source=f"{_FILE.name}: {name}")
        for name, data in document.data.items()
    }


def find_template(name: str) -> JudgeTemplate:
    """Return the template of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    known = judge_templates()
    if name not in known:
        raise ConfigError(
            f"template: no judge template {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)};"
            " or give a section with user and verdict"
        )
    return known[name]
