"""The option ``--json FILE|-`` that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from rewardrouter.errors import UserError

Function = TypeVar("Function", bound=Callable[..., Any])

STDOUT = "-"


def json_option(function: Function) -> Function:
    """Add ``--json`` to a command, which gets it as ``json_file: str | None``."""
    return click.option(
        "--json",
        "json_file",
        metavar="FILE|-",
        callback=_check_folder,
        help="Write the figures as JSON; - is stdout, with nothing else on it.",
    )(function)


def _check_folder(context: click.Context, option: click.Parameter, json_file: str | None) -> str | None:
    """Refuse a folder that does not exist before the work rather than after it."""
    if json_file not in (None, STDOUT) and not Path(json_file).parent.is_dir():
        raise click.BadParameter(f"no folder {Path(json_file).parent}", context, option)
    return json_file


def write_json(json_file: str, figures: Mapping[str, Any]) -> None:
    """Write ``figures`` to a file, or to stdout for ``"-"``.

    Raises
    ------
    UserError
        If the file cannot be written.
    ValueError
        If a figure is NaN or infinite, which JSON cannot hold.
    """
    text = json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False)
    if json_file == STDOUT:
        click.echo(text)
        return
    try:
        Path(json_file).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--json {json_file}: cannot be written: {error.strerror}") from None
