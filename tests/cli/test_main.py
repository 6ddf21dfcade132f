"""How the command line ends, and what importing it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from commands import refused

from rewardrouter import __version__
from rewardrouter.cli import main as module
from rewardrouter.cli.lazy import LazyCommand
from rewardrouter.cli.main import COMMANDS, cli, main
from rewardrouter.errors import RewardRouterError, UserError

HEAVY = {"torch", "transformers", "pandas", "pyarrow", "datasets", "sklearn", "scipy"}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Put one more command, ``try``, before the group; it calls the function given."""

    def put(function: Callable[[], None]) -> None:
        @click.command("try")
        @click.option("--size", type=int, required=True)
        def attempt(size: int) -> None:
            function()

        monkeypatch.setattr(module, "_test_command", attempt, raising=False)
        monkeypatch.setitem(cli.lazy, "try", LazyCommand("rewardrouter.cli.main:_test_command", "Try."))

    return put


def failing(error: BaseException) -> Callable[[], None]:
    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command_with_its_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for name, entry in COMMANDS.items():
        assert f"{name} " in captured.out
        assert entry.help in captured.out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rewardrouter {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["evalute"], "unknown command evalute. Did you mean evaluate? See rewardrouter --help"),
        (["zzz"], f"unknown command zzz. Commands: {', '.join(COMMANDS)}, try. See rewardrouter --help"),
        (["--vers"], "unknown option --vers. Did you mean --version? See rewardrouter --help"),
        (["try", "--sise", "1"], "unknown option --sise. Did you mean --size? See rewardrouter try --help"),
        (["try"], "missing option '--size'. See rewardrouter try --help"),
        (
            ["try", "--size", "x"],
            "invalid value for '--size': 'x' is not a valid integer. See rewardrouter try --help",
        ),
    ],
)
def test_the_user_s_mistakes_take_one_line(
    arguments: list[str],
    line: str,
    command: Callable[[Callable[[], None]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    command(lambda: None)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"error: {line}\n")


def test_a_user_error_of_a_command_takes_one_line(
    command: Callable[[Callable[[], None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(failing(UserError("pairs.jsonl:\n  line 3 has no prompt")))
    assert main(["try", "--size", "1"]) == 2
    assert capsys.readouterr().err == "error: pairs.jsonl: line 3 has no prompt\n"


@pytest.mark.parametrize("error", [RuntimeError("broken"), RewardRouterError("broken"), BrokenPipeError()])
def test_a_fault_of_ours_shows_a_traceback_and_asks_for_a_report(
    error: Exception,
    command: Callable[[Callable[[], None]], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    command(failing(error))
    assert main(["try", "--size", "1"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "please report it" in lines[-1]


def test_an_interrupt_takes_one_line(
    command: Callable[[Callable[[], None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(failing(KeyboardInterrupt()))
    assert main(["try", "--size", "1"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_leaves_is_no_fault(unbuffered: str) -> None:
    code = "import sys; from rewardrouter.cli.main import main; sys.stdin.read(); sys.exit(main(['--help']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (141, b"")


def imported_by(code: str) -> set[str]:
    """Return the top-level modules that ``code`` imports in a fresh interpreter."""
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    lines = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    imported = imported_by("import rewardrouter.cli.main")
    assert {"click", "rewardrouter"} <= imported
    assert not imported & (HEAVY | {"rich", "numpy", "pydantic", "yaml"})


def test_help_of_no_command_imports_anything_heavy() -> None:
    code = "from rewardrouter.cli.main import main\n" + "".join(
        f"assert main([{name!r}, '--help']) == 0\n" for name in COMMANDS
    )
    assert not imported_by(code) & HEAVY


@pytest.mark.parametrize("command", ["fit", "simulate"])
def test_a_mistyped_option_is_suggested_where_it_would_else_be_missing(command: str) -> None:
    line = refused(command, "--verdict", "v", "--out", "o")
    assert "unknown option --verdict. Did you mean --verdicts?" in line
