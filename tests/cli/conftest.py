"""The working set of examples/quickstart.py, and a router fitted to it with a tiny encoder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commands import QUICKSTART, Ended, run


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDROUTER_CACHE", str(cache_folder))


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
def fitted(
    fit_words: list[str | Path], cache_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Ended]:
    """A fitted router's folder, and how ``fit`` ended."""
    folder = tmp_path_factory.mktemp("fitted") / "router"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REWARDROUTER_CACHE", str(cache_folder))
        return folder, run(*fit_words, "--out", folder)


@pytest.fixture(scope="session")
def router(fitted: tuple[Path, Ended]) -> Path:
    """The folder of the fitted router."""
    folder, ended = fitted
    assert ended.code == 0, ended.err
    return folder
