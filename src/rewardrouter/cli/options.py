"""Options that several commands share, each with one name, one meaning and one help text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

router_option = click.option(
    "--router",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="ROUTER",
    help="Folder of the router.",
)
"""``--router ROUTER``, which a command gets as ``folder: Path``."""

no_cache_option = click.option("--no-cache", is_flag=True, help="Do not keep the encoder's vectors on disk.")
"""``--no-cache``, which a command gets as ``no_cache: bool``."""


def config_option(help_text: str = "Settings (YAML).") -> Callable[[Function], Function]:
    """Return ``--config FILE``, which a command gets as ``config_file: Path | None``."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=help_text,
    )


def names_of(rms: str | None) -> list[str] | None:
    """Return the names in ``--rms a,b,c``; ``None`` where it is not given."""
    return None if rms is None else [name.strip() for name in rms.split(",") if name.strip()]
