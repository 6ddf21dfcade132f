"""Progress: few plain lines off a terminal, a bar on one, nothing on stdout."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from rewardrouter import progress as module
from rewardrouter.progress import duration, log, progress


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_lines_come_every_ten_seconds_and_at_the_end(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    lines = module._Lines("encode", 2_600, clock)
    for _ in range(26):
        clock.now += 1
        lines.advance(100)
    lines.close()
    assert capsys.readouterr().err.splitlines() == [
        "encode: 1,000/2,600 (38 %) | 100.0/s | 0:16 left",
        "encode: 2,000/2,600 (76 %) | 100.0/s | 0:06 left",
        "encode: 2,600/2,600 | 100.0/s | 0:26",
    ]


def test_the_end_is_shown_once_even_when_it_comes_late(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    lines = module._Lines("encode", 4, clock)
    clock.now += 60
    lines.advance(4)
    lines.close()
    assert capsys.readouterr().err == "encode: 4/4 | 0.1/s | 1:00\n"


def test_without_a_total_lines_give_count_rate_and_time(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    lines = module._Lines("read", None, clock)
    clock.now += 20
    lines.advance(10)
    lines.close()
    assert capsys.readouterr().err == "read: 10 | 0.5/s | 0:20\n" * 2


def test_no_time_and_nothing_done_do_not_divide_by_zero(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    module._Lines("read", 0, clock).close()
    module._Lines("read", 3, clock).close()
    assert capsys.readouterr().err == "read: 0/0 | -/s | 0:00\nread: 0/3 (0 %) | -/s | ? left, stopped\n"


def test_off_a_terminal_all_goes_to_stderr_in_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("fit", 2) as advance:
        advance(1)
        log("epoch 1 [done]")
        advance(1)
    captured = capsys.readouterr()
    assert captured.out == ""
    first, last = captured.err.splitlines()
    assert first == "epoch 1 [done]"
    assert last.startswith("fit: 2/2 | ")


def test_a_failure_says_how_far_it_came_and_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with progress("fit", 5) as advance:
            advance(2)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert capsys.readouterr().err.startswith("fit: 2/5 (40 %) | ")
    assert module._open == []


ON_A_TERMINAL = """
from rewardrouter.progress import log, progress
with progress("outer", 2) as outer:
    with progress("inner", 3) as inner:
        inner(3)
    log("a line [of] text")
    print("result")
    outer(2)
"""


def test_on_a_terminal_bars_go_to_stderr_and_results_to_stdout() -> None:
    controller, terminal = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-c", ON_A_TERMINAL],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
        check=True,
    )
    os.close(terminal)
    shown = os.read(controller, 65_536).decode()
    os.close(controller)
    assert process.stdout == b"result\n"
    assert "a line [of] text" in shown
    assert "━" in shown
    assert "2/2 | " in shown
    assert "3/3 | " in shown


def test_bars_of_several_threads_end_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_on_terminal", lambda: True)
    one, other = progress("one", 2), progress("other", 2)
    one.__enter__()
    advance = other.__enter__()
    (first, second) = module._open
    assert first._bars is second._bars
    one.__exit__(None, None, None)
    assert second._bars.live.is_started
    advance(2)
    other.__exit__(None, None, None)
    assert not second._bars.live.is_started
    assert module._open == []


def test_what_nobody_waits_for_can_be_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("one", 2) as advance:
        module.end_displays()
        assert capsys.readouterr().err.endswith("left, stopped\n")
        advance(2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (75, "1:15"), (3_661, "1:01:01")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
