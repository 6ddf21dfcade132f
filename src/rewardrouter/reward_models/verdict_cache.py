"""Keep verdicts on disk, so that no reward model is asked twice about the same texts.

The key of a verdict is the sha256 of all that determines it: what the RM says it is (without ``source``, where it was
found) and the texts of the pair, the two responses in an order of their own: an exchanged pair gets the exchanged
verdict. Answers and ties are kept, failures are not. Entries are never changed: of two processes that ask the same, the
first one's answer stays.

They lie in one SQLite file, which many processes read and write. Files of lines, one writer each, would be as safe
from ``kill -9`` but must be read whole before the first look-up, and leave a file for every process that ever ran.
SQLite's rollback journal undoes what a process was killed in; not its write-ahead log, which needs memory that all
users share, and two machines with one home folder have none (a call costs a millisecond more). Every entry carries a
digest, checked when it is read: a damaged one counts as unknown.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rewardrouter.errors import ConfigError, one_line
from rewardrouter.files import cache_folder
from rewardrouter.pairs import PreferencePair, as_json
from rewardrouter.verdicts import Verdict

FORMAT = "rewardrouter verdict 2"
"""Part of every key: to be raised when the same key would mean another verdict."""

FILE = "verdicts.sqlite"

_BUSY_SECONDS = 60.0
"""How long a process waits for others to finish writing."""

_AT_ONCE = 500
"""Keys of one question; SQLite takes a limited number."""

_TABLE = "CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, verdict TEXT, digest BLOB) WITHOUT ROWID"

T = TypeVar("T")


class VerdictCacheWarning(UserWarning):
    """The cache cannot be used; results are right, only slower."""


def default_folder() -> Path:
    """Return ``verdicts`` in the cache folder of this package."""
    return cache_folder() / "verdicts"


class VerdictCache:
    """Verdicts on disk, for threads and processes to share.

    Parameters
    ----------
    folder
        Where the file lies; it is made, with those above it.

    Raises
    ------
    ConfigError
        If the file cannot be opened or is something else.
    """

    def __init__(self, folder: Path | str) -> None:
        self.file = Path(folder).expanduser() / FILE
        self._lock = threading.Lock()
        self._opened: tuple[int, sqlite3.Connection] | None = None
        self._warned = False
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._connection()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"verdict cache {self.file}: cannot be used: {one_line(error)}") from error

    def fetch(
        self, rm: str, identity: Mapping[str, Any], pairs: Sequence[PreferencePair]
    ) -> list[Verdict | None]:
        """Return what is known of each pair, in the name ``rm``; ``seconds`` is unset."""
        asked = [_key(identity, pair) for pair in pairs]
        keys = list({key for key, _ in asked})
        nothing: dict[bytes, str] = {}
        known = self._try(nothing, lambda: self._read(keys))
        found: list[Verdict | None] = []
        for key, exchanged in asked:
            verdict = _verdict(rm, known[key]) if key in known else None
            found.append(verdict.swapped() if verdict is not None and exchanged else verdict)
        return found

    def store(
        self, identity: Mapping[str, Any], pairs: Sequence[PreferencePair], verdicts: Sequence[Verdict]
    ) -> None:
        """Keep the verdicts that have a winner or a tie; they are on disk on return."""
        rows = []
        for pair, verdict in zip(pairs, verdicts, strict=True):
            if verdict.winner is not None:
                key, exchanged = _key(identity, pair)
                kept = verdict.swapped() if exchanged else verdict
                text = json.dumps([kept.winner, kept.score_a, kept.score_b])
                rows.append((key, text, _digest(key, text)))
        if rows:
            self._try(None, lambda: self._write(rows))

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            if self._opened is not None:
                self._opened[1].close()
                self._opened = None

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        known = {}
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            question = f"SELECT key, verdict, digest FROM verdicts WHERE key IN ({marks})"  # noqa: S608
            for key, text, digest in self._connection().execute(question, part):
                if digest == _digest(key, text):
                    known[key] = text
        return known

    def _write(self, rows: Sequence[tuple[bytes, str, bytes]]) -> None:
        with _transaction(self._connection()) as connection:
            connection.executemany("INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?)", rows)

    def _connection(self) -> sqlite3.Connection:
        """Return this process's own connection: one that was inherited by a fork must not be used."""
        if self._opened is None or self._opened[0] != os.getpid():
            connection = sqlite3.connect(
                self.file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode=TRUNCATE")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_TABLE)
            self._opened = (os.getpid(), connection)
        return self._opened[1]

    def _try(self, otherwise: T, work: Callable[[], T]) -> T:
        """Return what ``work`` returns; a file that cannot be used is reported once, the run goes on without it."""
        with self._lock:
            try:
                return work()
            except sqlite3.Error as error:
                reason = one_line(error)
        if not self._warned:
            self._warned = True
            message = f"verdict cache {self.file} cannot be used: {reason}"
            warnings.warn(message, VerdictCacheWarning, stacklevel=3)
        return otherwise


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _key(identity: Mapping[str, Any], pair: PreferencePair) -> tuple[bytes, bool]:
    """Return the key of an RM's verdict on a pair, and whether the pair's responses stand the other way round."""
    what = {name: value for name, value in identity.items() if name != "source"}
    responses = [json.dumps(as_json(text)) for text in (pair.response_a, pair.response_b)]
    content = [FORMAT, what, as_json(pair.prompt), *sorted(responses)]
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return key, responses[0] > responses[1]


def _digest(key: bytes, text: str) -> bytes:
    return hashlib.blake2b(key + text.encode(), digest_size=16).digest()


def _verdict(rm: str, text: str) -> Verdict:
    winner, score_a, score_b = json.loads(text)
    return Verdict(rm, winner, score_a, score_b)
