"""Functions named in a configuration as ``module:function``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rewardrouter.errors import ConfigError, one_line

NAME_PATTERN = r"^[\w.]+:\w+$"
"""What such a name looks like."""


def load_function(name: str, what: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names; the working folder is looked in too.

    Parameters
    ----------
    name
        Module and function, joined by a colon.
    what
        The setting that names it, for messages.

    Raises
    ------
    ConfigError
        If it cannot be imported, or is no function.
    """
    module, _, function = name.partition(":")
    try:
        with _working_folder():
            found = getattr(importlib.import_module(module), function)
    except Exception as error:  # a module may raise whatever it likes while it is imported
        raise ConfigError(f"{what}: {name} cannot be imported: {one_line(error)}") from error
    if not callable(found):
        raise ConfigError(f"{what}: {name} is no function")
    return found  # type: ignore[no-any-return]


def source_file(name: str) -> Path | None:
    """Return the file of the module of ``module:function``, without importing it; ``None`` where there is none."""
    module, _, _ = name.partition(":")
    try:
        with _working_folder():
            spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # no such parent package; a module without a specification
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.has_location else None


@contextmanager
def _working_folder() -> Iterator[None]:
    """Let modules of the working folder be imported, before others of their name."""
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")
