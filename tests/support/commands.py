"""Running ``rewardrouter`` from tests, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

from rewardrouter.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[2]
QUICKSTART = REPOSITORY / "examples" / "quickstart.py"

_ENTRY = "import sys; from rewardrouter.cli.main import main; sys.exit(main())"


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


def run(*words: str | Path) -> Ended:
    """Run a command in this process, where torch is imported once."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main([str(word) for word in words])
    return Ended(code, out.getvalue(), err.getvalue())


def done(*words: str | Path) -> Ended:
    """Run a command in this process that must end well."""
    ended = run(*words)
    assert ended.code == 0, ended.err
    return ended


def refused(*words: str | Path) -> str:
    """Run a command in this process that must end as the user's mistake, and return what its one line says."""
    ended = run(*words)
    assert (ended.code, ended.out) == (2, ""), f"{ended.code}\n{ended.out}\n{ended.err}"
    *reports, line = ended.err.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in ended.err
    assert not any(report.startswith("error") for report in reports)
    return line.removeprefix("error: ")


def start(*words: str | Path, code: str = _ENTRY) -> subprocess.Popen[str]:
    """Start a command in a process of its own, on one thread; ``code`` is the Python that gets the words."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *(str(word) for word in words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # Tests in the background of a shell are begun deaf to it, and so would be what they begin.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
