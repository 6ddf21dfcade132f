"""Checks in processes of their own: whatever one does, the others are answered."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import alive, wait_for

from rewardrouter.errors import ConfigError
from rewardrouter.reward_models.verifiers.workers import Checked, CheckWorkers

HOSTILE = "hostile_checks:check"


@pytest.fixture
def workers() -> Iterator[CheckWorkers]:
    made = CheckWorkers(HOSTILE, workers=2, seconds=1.0)
    yield made
    made.stop()


def tasks(*responses: str, **row: object) -> list[bytes]:
    return [pickle.dumps((response, row)) for response in responses]


def test_answers_stand_in_the_order_of_the_questions(workers: CheckWorkers) -> None:
    responses = ["x" * n for n in range(50)]
    assert workers.run(tasks(*responses)) == [Checked(float(n % 2 == 0)) for n in range(50)]
    assert workers.run([]) == []


@pytest.mark.parametrize(
    ("response", "found"),
    [
        ("exit", Checked(None, "SystemExit: 3")),
        ("die", Checked(None, "its process ended with exit code 7")),
        ("crash", Checked(None, "its process was killed by SIGSEGV")),
        ("hang", Checked(None, "no result within 1 s")),
        ("compute", Checked(None, "no result within 1 s")),
        ("print", Checked(1.0)),
        ("raise", Checked(None, r"KeyError: 'no\nsuch'")),
        ("cannot", Checked(None, "the check cannot say")),
        ("text", Checked(None, "the check gave a str, expected true, false or a number")),
        ("nan", Checked(None, "the check gave nan")),
        ("numpy", Checked(1.0)),
        ("half", Checked(0.5)),
        ("row", Checked(2.5)),
    ],
)
def test_what_one_check_does_is_its_own_affair(
    workers: CheckWorkers, response: str, found: Checked, capfd: pytest.CaptureFixture[str]
) -> None:
    given = workers.run(tasks("ab", response, "abc", response, "ab", wanted=2.5))
    assert given == [Checked(1.0), found, Checked(0.0), found, Checked(1.0)]
    assert capfd.readouterr() == ("", "")


def test_a_process_is_kept_from_call_to_call_and_replaced_after_a_crash(workers: CheckWorkers) -> None:
    single = CheckWorkers(HOSTILE, workers=1, seconds=5.0)
    counted = [single.run(tasks("count"))[0].value for _ in range(3)]
    assert counted == [1, 2, 3]
    (before,) = single.pids
    assert single.run(tasks("die", "count"))[1] == Checked(1.0)
    assert single.pids != [before]
    assert single.replaced == 1
    single.stop()
    assert single.pids == []
    assert single.run(tasks("count")) == [Checked(1.0)]
    single.stop()


def test_one_that_dies_with_nothing_to_do_costs_no_answer(workers: CheckWorkers) -> None:
    workers.run(tasks("a", "b"))
    for pid in workers.pids:
        os.kill(pid, 9)
        wait_for(lambda pid=pid: not alive(pid))
    assert workers.run(tasks("ab", "abc")) == [Checked(1.0), Checked(0.0)]


def test_what_a_check_began_is_ended_with_it(workers: CheckWorkers, tmp_path: Path) -> None:
    (found,) = workers.run(tasks(f"child {tmp_path / 'pids'}"))
    assert found.error == "no result within 1 s"
    own, child = map(int, (tmp_path / "pids").read_text().split())
    wait_for(lambda: not alive(own) and not alive(child))


def test_several_threads_get_their_own_answers(workers: CheckWorkers) -> None:
    found: dict[int, list[Checked]] = {}

    def ask(n: int) -> None:
        found[n] = workers.run(tasks(*["x" * (n + i) for i in range(20)]))

    threads = [threading.Thread(target=ask, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(4):
        assert found[n] == [Checked(float((n + i) % 2 == 0)) for i in range(20)]


def test_a_response_of_many_megabytes_arrives(workers: CheckWorkers) -> None:
    assert workers.run(tasks("x" * 30_000_001)) == [Checked(0.0)]


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (
            "no_such_module:check",
            "check: no_such_module:check cannot be imported: No module named 'no_such_module'",
        ),
        (
            "hostile_checks:chek",
            "check: hostile_checks:chek cannot be imported: module .* has no attribute 'chek'",
        ),
        ("hostile_checks:CALLS", "check: hostile_checks:CALLS is no function"),
        ("exiting_module:check", "check: exiting_module:check cannot be imported: SystemExit: 4"),
    ],
)
def test_a_check_that_cannot_be_had_is_told_at_the_start(check: str, expected: str) -> None:
    workers = CheckWorkers(check, workers=2, seconds=1.0)
    with pytest.raises(ConfigError, match=f"^{expected}$"):
        workers.start()
    assert workers.pids == []
    first, second = workers.run(tasks("a", "b"))  # and if it is asked all the same, it says why
    assert first == second
    assert first.error.startswith("no process to check it in: ")


SCRIPT = """
import pickle, sys, time
from pathlib import Path
from rewardrouter.reward_models.verifiers.workers import CheckWorkers
Path(sys.argv[1]).open("a").write("run ")
workers = CheckWorkers("hostile_checks:check", workers=2, seconds=float(sys.argv[2]))
print(workers.run([pickle.dumps((word, {})) for word in sys.argv[3:]])[0].value)
"""


def script(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    (folder / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(folder / "script.py"), str(folder / "runs"), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_script_without_a_guard_is_run_once(tmp_path: Path) -> None:
    with script(tmp_path, "5", "ab") as process:
        assert process.communicate()[0] == "1.0\n"
    assert (tmp_path / "runs").read_text() == "run "


@pytest.mark.parametrize("deed", ["child {}", "compute"])
def test_they_end_with_a_parent_that_was_killed(tmp_path: Path, deed: str) -> None:
    numbers = tmp_path / "pids"
    # A computation that lets no thread run is ended by its alarm, two seconds after its time.
    seconds = "1" if deed == "compute" else "600"
    with script(tmp_path, seconds, deed.format(numbers), "ab") as process:
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        wait_for(
            lambda: numbers.exists() or (deed == "compute" and len(Path(children).read_text().split()) == 2)
        )
        time.sleep(0.8 if deed == "compute" else 0.0)  # so that the computation has begun
        begun = [int(pid) for pid in Path(children).read_text().split()]
        if numbers.exists():
            wait_for(lambda: " " in numbers.read_text())
            begun += map(int, numbers.read_text().split())
        process.kill()
    assert begun
    wait_for(lambda: not any(alive(pid) for pid in begun), 10.0)
