"""Two ranks believe the same, and what one process would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from two_ranks import batch, taught

from rewardrouter.integrations.ranks import gathered, rank
from rewardrouter.integrations.saving import STATE_FILE
from rewardrouter.state import load_state

SUPPORT = Path(__file__).resolve().parents[1] / "support"


def same(one, other):
    assert one.metadata == other.metadata
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])


@pytest.fixture(scope="module")
def out(tiny_llama_without_template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two ranks")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [*torchrun, SUPPORT / "two_ranks.py", tiny_llama_without_template, folder],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    return folder


@pytest.mark.slow
def test_two_ranks_decide_and_learn_as_one_process_on_the_whole_batch(out):
    alone, rewards = taught(), [[], []]
    for step in range(5):
        found = alone(*batch(step))
        rewards[0] += found[:6]
        rewards[1] += found[6:]
    for n in range(2):
        state = load_state(out / f"calls-{n}")
        same(state.part("reward"), alone.state_dict())
        assert state.metadata["rewards"] == rewards[n]
        assert state.metadata["last"] == alone.last_rewards
    assert min(alone.answered.values()) > 0
    assert alone.last_rewards


@pytest.mark.slow
def test_trls_ranks_end_with_the_same_state_which_is_the_one_saved(out):
    states = [load_state(out / f"trained-{n}") for n in range(2)]
    same(*states)
    same(states[0], load_state(out / "run" / "checkpoint-3" / STATE_FILE))
    assert sum(states[0].metadata["answered"].values()) == 9  # three prompts at each of three steps
    assert states[0].part("policy").part("posteriors").arrays["counts"].sum() > 0


def test_without_ranks_there_is_one():
    assert rank() == 0
    assert gathered([1, 2]) == [[1, 2]]
