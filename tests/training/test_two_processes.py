"""Two processes decide, learn and train as one does on the same prompts, and end together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from tiny_online import apart, rows
from two_trainers import JOBS, trained

from rewardrouter.state import load_state

SCRIPT = Path(__file__).resolve().parents[1] / "support" / "two_trainers.py"
GOOD = [name for name in JOBS if name not in ("breaking", "misused")]


def launched(names: list[str], checkpoint: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Do jobs in two processes. ``--multi_gpu`` is the launcher's word for several; here they are on the CPU."""
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--num_machines=1"]
    launch += ["--main_process_port=0", "--mixed_precision=no", "--dynamo_backend=no"]
    return subprocess.run(
        [sys.executable, "-m", *launch, SCRIPT, ",".join(names), checkpoint, out],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )


@pytest.fixture(scope="module")
def two(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    ended = launched(GOOD, tiny_llama, folder)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_two_processes_are_one(name: str, two: Path, tiny_llama: Path, tmp_path: Path) -> None:
    trained(name, tiny_llama, tmp_path, processes=1)
    mine, others = rows(two / name / "decisions.jsonl"), rows(tmp_path / name / "decisions.jsonl")
    assert len(mine) == len(others) > 0
    assert max(abs(row["margin"] or 0.0) for row in mine) > 1e-2, "nothing was learnt"
    for one, other in zip(mine, others, strict=True):
        for number in ("loss", "swapped_loss", "margin"):
            assert one.pop(number) == pytest.approx(other.pop(number), abs=1e-5)
        # A rounding error of a loss, by the spread of the losses so far, which is small at first.
        assert one.pop("bandit_reward") == pytest.approx(other.pop("bandit_reward"), abs=1e-4)
        assert one == other
    steps = [rows(folder / name / "metrics.jsonl") for folder in (two, tmp_path)]
    for here, there in zip(*steps, strict=True):
        for key in here.keys() | there.keys():
            if not key.startswith("seconds/"):
                assert here[key] == pytest.approx(there[key], abs=1e-3), key
    weights = [load_file(two / name / f"weights-{rank}.safetensors") for rank in (0, 1)]
    assert apart(*weights) == 0.0
    assert apart(weights[0], load_file(tmp_path / name / "weights-0.safetensors")) < 1e-5
    states = [load_state(folder / name / "annotator.safetensors") for folder in (two, tmp_path)]
    assert states[0].arrays.keys() == states[1].arrays.keys()
    for array, found in states[0].arrays.items():
        np.testing.assert_allclose(found, states[1].arrays[array], atol=1e-4, err_msg=array)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "error"),
    [("breaking", "OSError: the reward model is gone"), ("misused", "gold.jsonl: has no such pair")],
)
def test_an_error_of_the_first_process_ends_both(
    name: str, error: str, tiny_llama: Path, tmp_path: Path
) -> None:
    ended = launched([name], tiny_llama, tmp_path)
    assert ended.returncode == 1
    assert error in ended.stderr
    assert len(rows(tmp_path / name / "metrics.jsonl")) == 1
