"""The working set of examples/quickstart.py, and a router fitted to it with a tiny encoder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import QUICKSTART, Ended, run


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the session a cache of its own: vectors of another batch differ in their last digits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REWARDROUTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the working set. Tests write elsewhere."""
    folder = tmp_path_factory.mktemp("working") / "quickstart"
    subprocess.run([sys.executable, QUICKSTART, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def fit_words(quickstart: Path, tiny_bert: Path) -> list[str | Path]:
    """A ``fit`` that takes seconds; only ``--out`` is missing."""
    verdicts = quickstart / "verdicts.parquet"
    return ["fit", "--verdicts", verdicts, "--encoder", tiny_bert, "--freeze-encoder", "--seed", "0"]


@pytest.fixture(scope="session")
def fitted(fit_words: list[str | Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A fitted router's folder, and how ``fit`` ended."""
    folder = tmp_path_factory.mktemp("fitted") / "router"
    return folder, run(*fit_words, "--out", folder)


@pytest.fixture(scope="session")
def router(fitted: tuple[Path, Ended]) -> Path:
    """The folder of the fitted router."""
    folder, ended = fitted
    assert ended.code == 0, ended.err
    return folder


TRAIN_KINDS = {"calculator": "qwen3", "courtesy": "llama", "brevity": "llama-plain", "echo": "qwen3"}
"""The router's arms, and what kind of tiny model each is where it runs here."""


@pytest.fixture(scope="session")
def train_settings(
    router: Path,
    tiny_llama: Path,
    tiny_reward_model: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """Settings of ``train`` with the quickstart's router, four tiny reward models and sixteen prompts."""
    folder = tmp_path_factory.mktemp("train")
    rms = "".join(
        f"  - {{name: {n}, kind: hf, source: {tiny_reward_model(k)}}}\n" for n, k in TRAIN_KINDS.items()
    )
    (folder / "pool.yaml").write_text(f"rms:\n{rms}", encoding="utf-8")
    rows = [{"id": f"q{n}", "prompt": f"What is {n} + 1?"} for n in range(16)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {
        "policy": {"checkpoint": str(tiny_llama), "learning_rate": 1e-2, "beta": 0.1},
        "annotator": {"router": str(router), "pool": str(folder / "pool.yaml")},
        "prompts": {"source": str(folder / "prompts.jsonl"), "max_tokens": 64},
        "generation": {"responses": 3, "max_new_tokens": 6},
        "pairs": {"per_prompt": 2},
    }
