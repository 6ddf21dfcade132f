"""The trainers' examples run as they stand, and what they print is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rewardrouter.integrations.saving import STATE_FILE
from rewardrouter.state import load_state

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examples")


def run(name, folder, *words):
    """Run an example; all use one folder, and so one policy."""
    found = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", folder / "toy", *words],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    return found.stdout


def counts(printed):
    line = next(line for line in printed.splitlines() if line.startswith("Prompts scored: "))
    return {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", line)}


@pytest.mark.slow
def test_grpo(folder):
    answered = counts(run("grpo", folder))
    assert sum(answered.values()) == 4 * 4  # four prompts at each of four steps
    assert min(answered["calculator"], answered["brevity"]) > 0  # sums and capitals
    saved = load_state(folder / "toy" / "grpo" / "checkpoint-4" / STATE_FILE)
    assert saved.metadata["answered"] == answered
    (folder / "toy" / "grpo" / "checkpoint-4").rename(folder / "finished")
    assert counts(run("grpo", folder, "--resume")) == answered


@pytest.mark.slow
def test_rloo(folder):
    assert sum(counts(run("rloo", folder)).values()) == 4 * 4


@pytest.mark.slow
def test_online_dpo(folder):
    printed = run("online_dpo", folder)
    failed = int(re.search(r"(\d+) pairs got no label", printed)[1])
    saved = load_state(folder / "toy" / "online_dpo" / "checkpoint-4" / STATE_FILE)
    assert saved.metadata["failed"] == failed < 64
    learnt = saved.part("annotator").part("policy").part("posteriors").arrays["counts"].sum()
    assert 0 < learnt <= 64 - failed
