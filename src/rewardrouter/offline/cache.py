"""Keep embeddings on disk by content, so that no text is encoded twice.

The key of a vector is the sha256 of all that determines it: the encoder's identity, the poolings,
the precision, the token ids and the regions. Nothing is ever changed or looked up by name, so an
entry cannot be stale, and two processes that compute the same text write the same thing.

Vectors lie in *shards*, one folder per encoder setting::

    FOLDER/<setting, 16 digits>/<content, 32 digits>.safetensors    keys uint8 [n, 32], vectors float32 [n, D]

A shard is written whole under another name and then renamed, and never changed afterwards. It
carries a digest of its contents, checked before any of its vectors is used; a shard that fails is
reported and removed, its texts are encoded again.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from rewardrouter.files import cache_folder

FORMAT = "rewardrouter embedding 1"
"""Part of every key: to be raised when the same key would mean another vector."""


class CacheWarning(UserWarning):
    """A part of the cache that cannot be used; results are right, only slower."""


def default_folder() -> Path:
    """Return the folder of whatever this package caches: embeddings lie in it directly."""
    return cache_folder()


def setting_key(identity: str, poolings: Sequence[str], precision: str) -> str:
    """Return the key of an encoder setting, 64 hexadecimal digits."""
    return hashlib.sha256("\0".join([FORMAT, identity, *poolings, precision]).encode()).hexdigest()


class EmbeddingCache:
    """Embeddings on disk; with ``folder=None`` nothing is kept.

    ``EmbeddingCache(default_folder())`` is the usual one.
    """

    def __init__(self, folder: Path | str | None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._index: dict[str, dict[bytes, Path]] = {}
        self._seen: set[Path] = set()
        self._warned = False

    def fetch(
        self, setting: str, contents: Sequence[bytes], vectors: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.bool_]:
        """Fill in the vectors that are known.

        Parameters
        ----------
        setting
            :func:`setting_key` of the encoder.
        contents
            T texts, each as the bytes that determine it.
        vectors
            ``float32 [T, D]``; rows of known texts are overwritten, others left alone.

        Returns
        -------
        ``bool [T]``: which rows were known.
        """
        known = np.zeros(len(contents), np.bool_)
        if self.folder is None:
            return known
        index = self._refresh(setting)
        wanted: dict[Path, list[tuple[int, bytes]]] = {}
        for row, content in enumerate(contents):
            key = _text_key(setting, content)
            if key in index:
                wanted.setdefault(index[key], []).append((row, key))
        for path, rows in wanted.items():
            shard = _load(path, vectors.shape[1])
            for row, key in rows:
                if key in shard:
                    vectors[row], known[row] = shard[key], True
        return known

    def store(self, setting: str, contents: Sequence[bytes], vectors: npt.NDArray[np.float32]) -> None:
        """Keep the vectors ``float32 [T, D]`` of T texts, as one new shard.

        A folder that cannot be written to is reported once; the run goes on without it.
        """
        if self.folder is None or not contents:
            return
        keys = np.frombuffer(b"".join(_text_key(setting, content) for content in contents), np.uint8)
        keys = keys.reshape(len(contents), -1)
        vectors = np.ascontiguousarray(vectors, np.float32)
        digest = _shard_digest(keys, vectors)
        payload = safetensors.numpy.save({"keys": keys, "vectors": vectors}, {"digest": digest})
        path = self._setting_folder(setting) / f"{digest[:32]}.safetensors"
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(payload)
            part.replace(path)
            self._seen.add(path)
            self._index.setdefault(setting, {}).update((key.tobytes(), path) for key in keys)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            self._warn_once(f"embedding cache {self.folder} cannot be written: {error}")

    def _setting_folder(self, setting: str) -> Path:
        assert self.folder is not None  # noqa: S101 - both callers have returned otherwise
        return self.folder / setting[:16]

    def _refresh(self, setting: str) -> dict[bytes, Path]:
        """Return where each known key is; shards that appeared since the last call are read."""
        index = self._index.setdefault(setting, {})
        for path in sorted(self._setting_folder(setting).glob("*.safetensors")):
            if path in self._seen:
                continue
            self._seen.add(path)
            try:
                with safetensors.safe_open(path, framework="np") as shard:
                    keys = shard.get_tensor("keys")
            except OSError:  # removed by another process since it was listed, or not readable
                continue
            except safetensors.SafetensorError as error:
                _remove_broken(path, str(error))
                continue
            index.update((key.tobytes(), path) for key in keys)
        return index

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(message, CacheWarning, stacklevel=3)


def _load(path: Path, width: int) -> dict[bytes, npt.NDArray[np.float32]]:
    """Return a shard's vectors by key, or nothing where it is gone or not what was written."""
    try:
        with safetensors.safe_open(path, framework="np") as shard:
            keys, vectors = shard.get_tensor("keys"), shard.get_tensor("vectors")
            digest = (shard.metadata() or {}).get("digest")
    except OSError:
        return {}
    except safetensors.SafetensorError as error:
        _remove_broken(path, str(error))
        return {}
    if _shard_digest(keys, vectors) != digest or vectors.shape != (len(keys), width):
        _remove_broken(path, "its contents are not what was written")
        return {}
    return {key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)}


def _remove_broken(path: Path, reason: str) -> None:
    """Warn of a broken shard and remove it: shards are written whole, so it will not get better."""
    warnings.warn(
        f"embedding cache: {path} was broken ({' '.join(reason.split())}) and is removed;"
        " its texts are encoded again",
        CacheWarning,
        stacklevel=4,
    )
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _text_key(setting: str, content: bytes) -> bytes:
    return hashlib.sha256(setting.encode() + content).digest()


def _shard_digest(keys: npt.NDArray[np.uint8], vectors: npt.NDArray[np.float32]) -> str:
    digest = hashlib.sha256(f"{keys.shape} {vectors.dtype} {vectors.shape}".encode())
    digest.update(keys.tobytes())
    digest.update(vectors.tobytes())
    return digest.hexdigest()
