"""Settings: frozen trees of typed fields, and errors that say which key to mend.

Every setting of this package is a field of a :class:`StrictModel`. A key that no
field has is an error, not a default kept in silence; a value is never changed
after it was read. :func:`validate` turns plain data into such a model and states
every mistake in it in one line, with the key's dotted path and where it stands::

    online.prior_varience: unknown key. Did you mean prior_variance? (examples/gsm8k.yaml, line 12)

A *path* is the keys from the root joined by dots, list positions counted from 0:
``rms.0.name``. The same paths name keys on the command line (``--rms.0.name=x``).
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import pydantic

from rewardrouter.errors import ConfigError, did_you_mean

M = TypeVar("M", bound=pydantic.BaseModel)


class StrictModel(pydantic.BaseModel):
    """Base of every settings model: unknown keys refused, immutable, documented by attribute docstrings.

    Use tuples rather than lists for fields with several values: ``frozen`` does not reach into a list.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def validate(
    cls: type[M],
    data: object,
    *,
    source: str,
    lines: Mapping[str, int] | None = None,
    overrides: Collection[str] = (),
) -> M:
    """Return ``data`` as a model of class ``cls``.

    Parameters
    ----------
    cls
        The class of the model.
    data
        Mappings, lists and scalars, as YAML or JSON gives them.
    source
        Where the data came from, as the user would name it: a file or ``"command line"``.
    lines
        The line of each path in ``source``, counted from 1. A path that it lacks is
        given its nearest parent's line.
    overrides
        Paths whose values came from the command line instead.

    Raises
    ------
    ConfigError
        Every mistake in the data, joined by ``"; "``.
    """
    try:
        return cls.model_validate(data)
    except pydantic.ValidationError as error:
        mistakes: dict[str, list[_Mistake]] = {}
        errors = error.errors(include_url=False)
        for details in errors:
            if details["type"] == "too_short" and _has_mistakes_below(details["loc"], errors):
                continue  # pydantic leaves bad items out of a list before it counts them
            mistake = _read(cls, data, details)
            mistakes.setdefault(mistake.path, []).append(mistake)
        stated = (
            f"{_state(path, found)} ({locate(path, source, lines, overrides)})"
            for path, found in mistakes.items()
        )
        raise ConfigError("; ".join(stated)) from None


def locate(path: str, source: str, lines: Mapping[str, int] | None, overrides: Collection[str]) -> str:
    """Return where the value at ``path`` was given, for the end of an error line."""
    parents = path.split(".") if path else []
    for depth in range(len(parents), 0, -1):
        parent = ".".join(parents[:depth])
        if parent in overrides:
            return f"--{parent} on the command line"
        if lines and parent in lines:
            return f"{source}, line {lines[parent]}"
    return source


class _Mistake(typing.NamedTuple):
    """One error of pydantic's in our words: a whole ``statement``, or what was ``found`` and ``expected``."""

    path: str
    statement: str = ""
    found: str = ""
    expected: str = ""
    hint: str = ""


_EXPECTED = {
    "bool": "true or false",
    "dict": "a section of keys and values",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "a section of keys and values",
    "none": "null",
    "path": "a path",
    "string": "text",
    "tuple": "a list",
}
"""What a field expects, by the first word of pydantic's error type (``int_parsing``, ``int_type``, ...)."""

_ABOUT_TYPE = ("type", "parsing", "from_float", "required", "attributes_type")


def _has_mistakes_below(loc: tuple[str | int, ...], errors: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether there is an error at an item of what stands at ``loc``."""
    return any(len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in errors)


def _read(cls: type[pydantic.BaseModel], data: object, details: Mapping[str, Any]) -> _Mistake:
    """Return pydantic's error in our words."""
    kind, context = str(details["type"]), details.get("ctx", {})
    keys, models = _follow(cls, data, details["loc"], missing=kind == "missing")
    path = ".".join(keys)
    if kind == "extra_forbidden":
        known = sorted({name for model in models for name in _names(model)})
        hint = did_you_mean(keys[-1], known) or _elsewhere(cls, keys) or f" Known keys: {', '.join(known)}"
        return _Mistake(path, f"unknown key.{hint}")
    if kind == "missing":
        return _Mistake(path, "missing: this key must be given")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        path = ".".join([*keys, str(context["discriminator"]).strip("'")])
        if kind == "union_tag_not_found":
            return _Mistake(path, "missing: this key must be given")
        allowed = str(context["expected_tags"])
        return _Mistake(path, "", repr(context["tag"]), f"one of {allowed}", _hint(context["tag"], allowed))
    if kind in ("value_error", "assertion_error"):
        return _Mistake(path, _one_line(str(context["error"])))
    found, message = _shorten(details["input"]), str(details["msg"])
    subject, _, about = kind.partition("_")
    if subject in _EXPECTED and about in _ABOUT_TYPE:
        return _Mistake(path, "", found, _EXPECTED[subject])
    if kind in ("literal_error", "enum"):
        allowed = str(context["expected"])
        return _Mistake(path, "", found, allowed, _hint(details["input"], allowed))
    if kind == "too_short":
        least = context["min_length"]
        return _Mistake(path, "", found, f"at least {least} item{'s' if least > 1 else ''}")
    if message.startswith("Input should be "):
        expected = message.removeprefix("Input should be ")
        compared = expected.startswith(("greater", "less", "a multiple"))
        return _Mistake(path, "", found, f"a value {expected}" if compared else expected)
    return _Mistake(path, _one_line(message[:1].lower() + message[1:]))


def _state(path: str, mistakes: Sequence[_Mistake]) -> str:
    """Return the mistakes at one path (several where a field may be of several types) as one phrase."""
    statements = [mistake.statement for mistake in mistakes if mistake.statement]
    typed = [mistake for mistake in mistakes if mistake.expected]
    if typed:
        expected = " or ".join(dict.fromkeys(mistake.expected for mistake in typed))
        hint = next((mistake.hint for mistake in typed if mistake.hint), "")
        statements.insert(0, f"found {typed[0].found}, expected {expected}{'.' if hint else ''}{hint}")
    text = ", ".join(dict.fromkeys(statements))
    return f"{path}: {text}" if path else text


def _follow(
    cls: type[pydantic.BaseModel], data: object, loc: Sequence[str | int], *, missing: bool
) -> tuple[list[str], list[type[pydantic.BaseModel]]]:
    """Return the path's keys and the models that may have the last of them as a field.

    pydantic's ``loc`` also names members of unions; what the data does not hold is such a name,
    except the last key of a missing value.
    """
    keys: list[str] = []
    models, holders = [cls], [cls]
    for position, key in enumerate(loc):
        named = (isinstance(data, Mapping) and key in data) or (
            isinstance(data, list | tuple) and isinstance(key, int) and key < len(data)
        )
        if named:
            data = data[key]  # type: ignore[index]
        elif not (missing and position == len(loc) - 1):
            models = [model for model in models if _tagged(model, key)] or models
            continue
        keys.append(str(key))
        holders = models
        if not isinstance(key, int):
            models = [found for model in models for found in _models_at(model, key)]
    return keys, holders


def _elsewhere(cls: type[pydantic.BaseModel], keys: Sequence[str]) -> str:
    """Return a hint where a key stands in another section, or is one key with its section's name."""
    if any(key.isdigit() for key in keys):
        return ""  # an entry of a list: what others of it may hold is no help
    paths = list(_paths(cls))
    near = difflib.get_close_matches("_".join(keys), ["_".join(path) for path in paths], n=1, cutoff=0.85)
    named = [path for path in paths if path[-1] == keys[-1]]
    found = next((path for path in paths if ["_".join(path)] == near), None) or next(iter(named), None)
    return f" Did you mean {'.'.join(found)}?" if found else ""


def _paths(cls: type[pydantic.BaseModel], above: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    """Yield the path of every key below a model; sections that hold themselves are followed once."""
    for name, field in cls.model_fields.items():
        path = (*above, field.alias or name)
        yield path
        if len(path) < 6:
            for model in _models_in(field.annotation):
                yield from _paths(model, path)


def _names(model: type[pydantic.BaseModel]) -> list[str]:
    """Return the keys of a model, by alias where there is one."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_at(model: type[pydantic.BaseModel], key: str) -> list[type[pydantic.BaseModel]]:
    """Return the models that the field ``key`` may hold, directly or in a list, mapping or union."""
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return list(_models_in(field.annotation))
    return [model]  # a key of a mapping that holds the model


def _models_in(annotation: object) -> Iterable[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _tagged(model: type[pydantic.BaseModel], tag: object) -> bool:
    """Whether a union's member is this model: by its name or by the literal value of a field."""
    return tag == model.__name__ or any(
        tag in typing.get_args(field.annotation) for field in model.model_fields.values()
    )


def _hint(found: object, allowed: str) -> str:
    return did_you_mean(found, re.findall(r"'([^']*)'", allowed)) if isinstance(found, str) else ""


def _shorten(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")  # as in YAML
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _one_line(text: str) -> str:
    return " ".join(text.split())
