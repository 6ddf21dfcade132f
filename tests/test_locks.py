"""Locks that say who holds them."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rewardrouter.locks import HeldError, held

HOLD = """
import pathlib, sys
from rewardrouter.locks import held

with held(pathlib.Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_who_holds_it_is_named_and_waited_for_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(HeldError, match=rf"process {other.pid}: "), held(lock):
            pass
        told: list[str] = []

        def wait(whom: str) -> None:
            told.append(whom)
            threading.Timer(0.3, other.kill).start()

        with held(lock, waiting=wait):
            assert str(other.pid) in told[0]
    with held(lock):
        pass
