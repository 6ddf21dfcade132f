"""``collect`` killed again and again: nothing that was finished is lost, repeated or asked again."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from commands import done, run
from small_tables import written_pairs

from rewardrouter.cli.main import main
from rewardrouter.datasets.verdict_folder import part_files, read_calls
from rewardrouter.verdicts import Verdict

KILLS = 25
PAIRS, CHUNK = 400, 2

PRELOADED = [
    *("pytest", "pandas", "rewardrouter.cli.collect"),
    *("rewardrouter.reward_models.hf", "rewardrouter.reward_models.collecting"),
    *("transformers.models.qwen3.modeling_qwen3", "transformers.models.bert.modeling_bert"),
]
"""All that a run imports."""


def verdicts_in(folder: Path) -> dict[tuple[str, str], Verdict]:
    """Return every call but for its time; each pair and RM must be there once at most."""
    calls = list(read_calls(part_files(folder)))
    repeated = [key for key, count in Counter(call.key for call in calls).items() if count > 1]
    assert not repeated
    found = {call.key: call.recording.verdict for call in calls}
    return {key: Verdict(v.rm, v.winner, v.score_a, v.score_b, v.error) for key, v in found.items()}


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_as_an_uninterrupted_one(
    tmp_path: Path, tiny_reward_model: Callable[[str], Path]
) -> None:
    kinds = ("qwen3", "bert")
    pool = "".join(f"  - {{name: {kind}, kind: hf, source: {tiny_reward_model(kind)}}}\n" for kind in kinds)
    (tmp_path / "pool.yaml").write_text(f"rms:\n{pool}", encoding="utf-8")
    frame = [
        {"id": p.id, "prompt": p.prompt, "response_a": p.response_a, "response_b": p.response_b}
        for p in written_pairs(PAIRS, seed=0)[0]
    ]
    pd.DataFrame(frame).to_parquet(tmp_path / "pairs.parquet")
    words = ["collect", "--pairs", tmp_path / "pairs.parquet", "--pool", tmp_path / "pool.yaml"]
    words = [str(word) for word in (*words, "--chunk", CHUNK, "--out")]
    done(*words, tmp_path / "whole")
    whole = verdicts_in(tmp_path / "whole")

    # Processes forked from one that has imported everything: a start takes tenths of a second.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    chance, out = random.Random(0), tmp_path / "killed"
    known: dict[tuple[str, str], Verdict] = {}
    killed = 0
    while killed < KILLS and len(known) < len(whole):
        process = context.Process(target=main, args=([*words, str(out)],))
        process.start()
        _wait(process, out, chance)
        process.kill()
        process.join()
        killed += process.exitcode == -9
        found = verdicts_in(out) if part_files(out) else {}
        assert found.items() >= known.items(), "a finished call is gone"
        known = found
    assert killed >= 20
    assert run(*words, out).code == 0
    assert verdicts_in(out) == whole
    assert not list(out.rglob("*.tmp"))
    for name in ("pairs.parquet", "manifest.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def _wait(process: multiprocessing.Process, out: Path, chance: random.Random) -> None:
    """Wait for a few more chunks, or, one time in five, for some moment of the start."""
    if chance.random() < 0.2:
        process.join(chance.uniform(0, 0.6))
        return
    wanted = len(part_files(out)) + chance.randint(1, 4)
    deadline = time.monotonic() + 30
    while process.is_alive() and len(part_files(out)) < wanted and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.01))
