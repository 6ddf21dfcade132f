"""The cache gives back what was stored, bit for bit, or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from rewardrouter.offline.cache import CacheWarning, EmbeddingCache, default_folder, setting_key

SETTING = setting_key("sha256:abc", ("all.mean@-1",), "fp32")


def some(first: int, last: int) -> tuple[list[bytes], np.ndarray]:
    """Return the texts ``first`` to ``last - 1`` with vectors that follow from their numbers."""
    vectors = np.stack([np.random.default_rng(n).standard_normal(5, np.float32) for n in range(first, last)])
    return [f"text {n}".encode() for n in range(first, last)], vectors


def fetch(
    cache: EmbeddingCache, contents: list[bytes], setting: str = SETTING
) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.full((len(contents), 5), np.nan, np.float32)
    return cache.fetch(setting, contents, vectors), vectors


def shards(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def test_what_was_stored_comes_back_in_this_and_in_another_cache(tmp_path):
    contents, vectors = some(0, 7)
    cache = EmbeddingCache(tmp_path)
    cache.store(SETTING, contents[:4], vectors[:4])
    cache.store(SETTING, contents[4:6], vectors[4:6])
    for reader in (cache, EmbeddingCache(tmp_path)):
        known, found = fetch(reader, contents)
        assert known.tolist() == [True] * 6 + [False]
        np.testing.assert_array_equal(found[:6], vectors[:6])
        assert np.isnan(found[6]).all()


def test_a_reader_sees_what_another_one_stored_meanwhile(tmp_path):
    contents, vectors = some(0, 2)
    reader = EmbeddingCache(tmp_path)
    assert not fetch(reader, contents)[0].any()
    EmbeddingCache(tmp_path).store(SETTING, contents, vectors)
    assert fetch(reader, contents)[0].all()


@pytest.mark.parametrize(
    "other",
    [
        ("sha256:abd", ("all.mean@-1",), "fp32"),
        ("sha256:abc", ("all.max@-1",), "fp32"),
        ("sha256:abc", ("all.mean@-1",), "bf16"),
    ],
)
def test_another_encoder_pooling_or_precision_is_another_entry(tmp_path, other):
    contents, vectors = some(0, 2)
    cache = EmbeddingCache(tmp_path)
    cache.store(SETTING, contents, vectors)
    assert not fetch(cache, contents, setting_key(*other))[0].any()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def flip(path: Path) -> None:
    """Change one bit of the last vector."""
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scramble(path: Path) -> None:
    path.write_bytes(os.urandom(300))


@pytest.mark.parametrize("damage", [truncate, flip, empty, scramble])
def test_a_broken_shard_is_reported_removed_and_never_used(tmp_path, damage):
    contents, vectors = some(0, 6)
    EmbeddingCache(tmp_path).store(SETTING, contents[:3], vectors[:3])
    good = set(shards(tmp_path))
    EmbeddingCache(tmp_path).store(SETTING, contents[3:], vectors[3:])
    (broken,) = set(shards(tmp_path)) - good
    damage(broken)
    cache = EmbeddingCache(tmp_path)
    with pytest.warns(CacheWarning, match=f"{broken.name} was broken"):
        known, found = fetch(cache, contents)
    assert known.tolist() == [True] * 3 + [False] * 3
    np.testing.assert_array_equal(found[:3], vectors[:3])
    assert not broken.exists()
    cache.store(SETTING, contents[3:], vectors[3:])
    assert fetch(cache, contents)[0].all()
    assert fetch(EmbeddingCache(tmp_path), contents)[0].all()


def test_a_shard_that_another_process_removed_is_a_miss(tmp_path):
    contents, vectors = some(0, 2)
    cache = EmbeddingCache(tmp_path)
    cache.store(SETTING, contents, vectors)
    shards(tmp_path)[0].unlink()
    assert not fetch(cache, contents)[0].any()


def test_without_a_folder_nothing_is_kept():
    contents, vectors = some(0, 2)
    cache = EmbeddingCache(None)
    cache.store(SETTING, contents, vectors)
    assert not fetch(cache, contents)[0].any()


def test_a_folder_that_cannot_be_written_is_reported_once(tmp_path):
    occupied = tmp_path / "file"
    occupied.write_text("not a folder")
    contents, vectors = some(0, 2)
    cache = EmbeddingCache(occupied)
    with pytest.warns(CacheWarning, match="cannot be written"):
        cache.store(SETTING, contents, vectors)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.store(SETTING, contents, vectors)
        assert not fetch(cache, contents)[0].any()


WORKER = """
import sys
import numpy as np
from rewardrouter.offline.cache import EmbeddingCache

folder, setting, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
cache = EmbeddingCache(folder)
for start in range(first, first + 40, 4):
    numbers = range(start, start + 4)
    contents = [f"text {n}".encode() for n in numbers]
    vectors = np.stack([np.random.default_rng(n).standard_normal(5, np.float32) for n in numbers])
    cache.store(setting, contents, vectors)
    found = np.zeros_like(vectors)
    assert cache.fetch(setting, contents, found).all()
    assert np.array_equal(found, vectors)
"""


def test_two_processes_at_once(tmp_path):
    commands = [[sys.executable, "-c", WORKER, str(tmp_path), SETTING, first] for first in ("0", "20")]
    workers = [subprocess.Popen(command) for command in commands]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    contents, vectors = some(0, 60)
    known, found = fetch(EmbeddingCache(tmp_path), contents)
    assert known.all()
    np.testing.assert_array_equal(found, vectors)
    assert not list(tmp_path.rglob("*.part"))


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("REWARDROUTER_CACHE", str(tmp_path / "here"))
    assert default_folder() == tmp_path / "here"
    monkeypatch.delenv("REWARDROUTER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "rewardrouter"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "rewardrouter"
