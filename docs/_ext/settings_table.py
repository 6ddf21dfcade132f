"""A settings model as a Markdown table, for a page that lists every key: ``python docs/_ext/settings_table.py MODEL``.

``MODEL`` is ``rewardrouter.config.speed.SpeedConfig``. A test says where a page is out of date. Models of other modules
stand in one row: their keys are listed where they are at home.
"""

from __future__ import annotations

import importlib
import json
import sys
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

HEAD = ("| setting | default | what |", "|---|---|---|")


def table(model: type[BaseModel]) -> str:
    """Return the table of a model's keys, those below included."""
    return "\n".join([*HEAD, *_rows(model, "")]) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        below = [one for one in _models(field.annotation) if one.__module__ == model.__module__]
        text = " ".join((field.description or "").split()).replace("``", "`").replace("|", "\\|")
        yield f"| `{prefix}{name}` | {_default(field, bool(below))} | {text} |"
        for one in below:
            yield from _rows(one, f"{prefix}{name}.")


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


def _default(field: FieldInfo, has_rows: bool) -> str:
    if field.is_required():
        return "to be given"
    if isinstance(field.default, BaseModel):
        if has_rows:
            return ""
        changed = field.default.model_dump(exclude_unset=True)
        return ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in changed.items())
    return f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    module, _, name = sys.argv[1].rpartition(".")
    print(table(getattr(importlib.import_module(module), name)), end="")  # noqa: T201
