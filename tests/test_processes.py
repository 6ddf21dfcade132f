"""Jobs shared out to processes: all are run, and an error of one ends all."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rewardrouter.processes import run_jobs


def note(path: Path) -> None:
    path.write_text(str(os.getpid()))


def fail(message: str) -> None:
    raise ValueError(message)


@pytest.mark.parametrize("processes", [1, 2])
def test_every_job_is_run_once(tmp_path, processes):
    files = [tmp_path / str(number) for number in range(4)]
    counted = []
    run_jobs([functools.partial(note, file) for file in files], processes, counted.append)
    assert counted == [1] * 4
    own = {file.read_text() == str(os.getpid()) for file in files}
    assert own == {processes == 1}


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_one_is_raised(tmp_path, processes):
    jobs = [functools.partial(fail, "no luck"), *(functools.partial(note, tmp_path / "x") for _ in range(3))]
    with pytest.raises(ValueError, match="no luck"):
        run_jobs(jobs, processes, lambda _: None)


PARENT = """
import functools, pathlib, sys, time
from rewardrouter.processes import run_jobs
from test_processes_job import wait
if __name__ == "__main__":
    run_jobs([functools.partial(wait, pathlib.Path(folder)) for folder in sys.argv[1:]], 2, print)
"""

JOB = """
import os, time
def wait(path):
    path.write_text(str(os.getpid()))
    time.sleep(60)
"""


def test_processes_die_with_their_parent(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "test_processes_job.py").write_text(JOB)
    files = [tmp_path / "0", tmp_path / "1"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py"), *map(str, files)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: all(file.exists() and file.read_text() for file in files))
    parent.kill()
    parent.wait()
    pids = [int(file.read_text()) for file in files]
    wait_for(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_for(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
