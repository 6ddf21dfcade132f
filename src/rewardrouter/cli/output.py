"""What commands write: numbers in their text, the option ``--json FILE|-``, other files, folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from rewardrouter.errors import UserError

Function = TypeVar("Function", bound=Callable[..., Any])
FileName = TypeVar("FileName", str | None, Path | None)

STDOUT = "-"


def json_option(function: Function) -> Function:
    """Add ``--json`` to a command, which gets it as ``json_file: str | None``."""
    return click.option(
        "--json",
        "json_file",
        metavar="FILE|-",
        callback=check_file,
        help="Write the figures as JSON; - is stdout, with nothing else on it.",
    )(function)


def check_file(context: click.Context, option: click.Parameter, file: FileName) -> FileName:
    """Refuse, as an option's callback, what cannot become a file, before the work rather than after it."""
    if file is not None and file != STDOUT:
        if not Path(file).parent.is_dir():
            raise click.BadParameter(f"no folder {Path(file).parent}", context, option)
        if Path(file).is_dir():
            raise click.BadParameter(f"{file} is a folder", context, option)
    return file


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign; what is rounded to zero has a plus."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


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
    write_text("--json", Path(json_file), f"{text}\n")


def write_text(option: str, file: Path, text: str) -> None:
    """Write the file that an option names.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{option} {file}: cannot be written: {error.strerror}") from None


def keep_inputs(outputs: Mapping[str, Path | str | None], inputs: Mapping[str, Path | str]) -> None:
    """Refuse, before the work, to write over what a command reads, or one output over another.

    ``outputs`` and ``inputs`` map options to paths; an input that is a folder protects all in it.

    Raises
    ------
    UserError
        If an output is an input, lies in one, or two outputs are one file.
    """
    written: dict[Path, str] = {}
    for option, given in outputs.items():
        if given is None or given == STDOUT:
            continue
        file = Path(given).expanduser().resolve()
        for read, source in inputs.items():
            place = Path(source).expanduser().resolve()
            if file == place or (place.is_dir() and place in file.parents):
                raise UserError(f"{option} {given}: would write over what {read} reads; give another file")
        if file in written:
            raise UserError(f"{option} {given}: is also the file of {written[file]}; give another one")
        written[file] = option


def make_folder(option: str, folder: Path) -> None:
    """Make the folder that what an option names goes to, and those above it.

    Raises
    ------
    UserError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{option}: the folder {folder} cannot be made: {error.strerror}") from None
