"""Reading settings from YAML and from ``--a.b=c`` on the command line, and writing them back.

A file holds one mapping. Values on the command line win over it; fields that
neither gives keep their defaults. YAML is read by the safe loader with two
changes, both against silent mistakes: a key given twice is an error, and ``1e-5``
is a number (YAML 1.1 wants ``1.0e-5``).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from rewardrouter.config.base import validate
from rewardrouter.errors import ConfigError
from rewardrouter.files import file_near

M = TypeVar("M", bound=pydantic.BaseModel)

_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")


class _Loader(yaml.SafeLoader):
    """The safe loader, to which ``1e-5`` is a number."""


class _Dumper(yaml.SafeDumper):
    """The safe dumper, which quotes the text ``1e-5``."""


for _resolver in (_Loader, _Dumper):
    _resolver.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # Line breaks to YAML 1.1 that PyYAML writes as they are and reads back as another one.
    style = '"' if any(sign in text for sign in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent_text)


@dataclasses.dataclass(frozen=True)
class Document:
    """A YAML file's mapping and the line, counted from 1, of every key path in it."""

    data: dict[str, Any]
    lines: dict[str, int]


def load_config(
    cls: type[M], path: Path | None, overrides: Sequence[str] = (), *, defaults: M | None = None
) -> M:
    """Return the settings of ``path``, changed by ``overrides``.

    Parameters
    ----------
    cls
        The model of the settings.
    path
        A YAML file, or ``None`` for the defaults of ``cls``.
    overrides
        ``"a.b=c"`` or ``"--a.b=c"``; ``c`` is read as YAML, so lists and null can be given
        (``rms=[x, y]``), and ``a.0`` is the first item of a list. Later ones win.
    defaults
        What stands where neither the file nor an override says anything; by default those of ``cls``.

    Raises
    ------
    ConfigError
        A file that is missing or not YAML, a key given twice, an unknown key or an invalid value.
    """
    document = read_yaml(path) if path is not None else Document({}, {})
    data = _merged(defaults.model_dump(mode="json"), document.data) if defaults else document.data
    changed = [_override(data, text) for text in overrides]
    source = str(path) if path is not None else "command line"
    return validate(cls, data, source=source, lines=document.lines, overrides=changed)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return ``under`` with the values of ``over`` put in, sections key by key."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def dump_config(model: pydantic.BaseModel) -> str:
    """Return the settings as YAML that :func:`load_config` reads back to an equal model."""
    data = model.model_dump(mode="json", by_alias=True)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def read_yaml(path: Path) -> Document:
    """Read a YAML file that holds one mapping.

    Raises
    ------
    ConfigError
        If the file is missing, is not UTF-8 or YAML, gives a key twice, or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(_missing(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"not a text file: byte {error.start} is not UTF-8 ({path})") from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror} ({path})") from None
    lines: dict[str, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _walk(node, (), lines, set(), path)
        data = _unshared(loader.construct_document(node)) if node is not None else None
    except yaml.YAMLError as error:
        raise ConfigError(_syntax(error, path)) from None
    except RecursionError:
        raise ConfigError(f"not valid settings: an alias holds itself ({path})") from None
    except ValueError as error:  # a value that looks like a date but is none: 2024-13-99
        raise ConfigError(f"not valid YAML: {error}; quote it if it is text ({path})") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"found a {type(data).__name__}, expected keys and values ({path}, line 1)")
    return Document(data, lines)


def _walk(
    node: yaml.Node | None, keys: tuple[str, ...], lines: dict[str, int], seen: set[int], path: Path
) -> None:
    """Note the line of every key below ``node``, and refuse a key given twice."""
    if node is None or id(node) in seen:  # an alias: its lines were noted where its anchor stands
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            inner = (*keys, str(position))
            lines[".".join(inner)] = item.start_mark.line + 1
            _walk(item, inner, lines, seen, path)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            inner, line = (*keys, str(key.value)), key.start_mark.line + 1
            name = ".".join(inner)
            if str(key.value) in first:
                raise ConfigError(
                    f"{name}: given twice, first in line {first[str(key.value)]};"
                    f" keep one of the two ({path}, line {line})"
                )
            first[str(key.value)] = lines[name] = line
            _walk(value, inner, lines, seen, path)


def _override(data: dict[str, Any], text: str) -> str:
    """Set one ``a.b=c`` in ``data`` and return its path ``a.b``."""
    path, equals, value = text.removeprefix("--").partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise ConfigError(f"found {text!r}, expected --key=value or --section.key=value (command line)")
    try:
        parsed = yaml.load(value, Loader=_Loader)  # noqa: S506 (a subclass of the safe loader)
    except (yaml.YAMLError, ValueError):
        raise ConfigError(
            f"{path}: found {value!r}, which is not valid YAML; quote it if it is text"
            f" (--{path} on the command line)"
        ) from None
    holder: Any = data
    for depth, key in enumerate(keys[:-1]):
        if isinstance(holder, dict) and holder.get(key) is None:
            holder[key] = {}
        holder = holder[_position(holder, key, keys[:depth], text)]
    holder[_position(holder, keys[-1], keys[:-1], text)] = parsed
    return path


def _position(holder: object, key: str, parents: Sequence[str], text: str) -> str | int:
    """Return ``key`` as ``holder`` wants it: a mapping's key or a list's index."""
    if isinstance(holder, dict):
        return key
    where, given = ".".join(parents), text.partition("=")[0]
    if not isinstance(holder, list):
        raise ConfigError(f"{where}: found {holder!r}, which has no key {key} ({given} on the command line)")
    if not (key.isascii() and key.isdigit() and int(key) < len(holder)):
        raise ConfigError(
            f"{where}: found position {key}, expected 0 to {len(holder) - 1} ({given} on the command line)"
        )
    return int(key)


def _unshared(value: Any) -> Any:
    """Return a copy in which aliases of one anchor are separate, so that an override changes one of them."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _missing(path: Path) -> str:
    """Say that ``path`` is missing, and which file beside it may be meant."""
    if not path.parent.is_dir():
        return f"config file {path} does not exist: no folder {path.parent}"
    return f"config file {path} does not exist.{file_near(path)}"


def _syntax(error: yaml.YAMLError, path: Path) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    line = f", line {mark.line + 1}" if mark is not None else ""
    return f"not valid YAML: {problem} ({path}{line})"
