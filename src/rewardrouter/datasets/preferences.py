"""Labelled pairs on disk, in TRL's preference format (``prompt, chosen, rejected``).

:class:`PreferenceWriter` appends JSON lines, chunk by chunk, each on disk before
the next is begun. A killed run resumes where it stood: a torn last line is cut
off, the ids already written are known, and a manifest beside the file makes sure
that the rest is labelled in the same way. Pairs that got no label are kept with
the reason, in a file of their own. Parquet is made from the lines at the end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from rewardrouter.datasets.manifests import differences, read_manifest, write_manifest
from rewardrouter.errors import DataError
from rewardrouter.files import AppendOnlyLines, write_atomically
from rewardrouter.pairs import Label, PreferencePair, Text, as_json, as_messages

_COLUMNS = ("id", "prompt", "chosen", "rejected")
_OF_THE_PAIR = ("domain", "group")


def preference_row(pair: PreferencePair, label: Label, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a labelled pair as one row of TRL's preference format.

    Parameters
    ----------
    pair
        The pair. Its texts keep their form, text or chat; where a pair mixes the two, which TRL does not
        read, all become chat.
    label
        The better response.
    extra
        Further columns, such as ``weight`` or ``rms``.

    Returns
    -------
    dict
        ``id, prompt, chosen, rejected``, then ``domain`` and ``group`` where the pair has them, then
        ``extra``.
    """
    texts: tuple[Text, ...] = (pair.prompt, pair.response_a, pair.response_b)
    if len({isinstance(text, str) for text in texts}) > 1:
        roles = ("user", "assistant", "assistant")
        texts = tuple(as_messages(text, role) for text, role in zip(texts, roles, strict=True))
    prompt, response_a, response_b = (as_json(text) for text in texts)
    chosen, rejected = (response_a, response_b) if label == "A" else (response_b, response_a)
    row: dict[str, Any] = {"id": pair.id, "prompt": prompt, "chosen": chosen, "rejected": rejected}
    row |= {name: pair.metadata[name] for name in _OF_THE_PAIR if pair.metadata.get(name) is not None}
    if clash := row.keys() & extra.keys():
        raise ValueError(f"extra columns would replace the pair's own: {', '.join(sorted(clash))}")
    return row | dict(extra)


class PreferenceWriter:
    """Writes one file of labelled pairs, and resumes it.

    A context manager. Beside the file it keeps ``<file>.manifest.json``, ``<file>.dropped.jsonl`` (pairs
    without a label, with the reason) and, for parquet, ``<file>.partial.jsonl`` (the lines themselves).
    The parquet file appears when the block ends without an error, all at once.

    Parameters
    ----------
    path
        The file: ``.jsonl`` or ``.parquet``. Its folder is created.
    manifest
        How the pairs are labelled (strategy, router identity, pool): JSON values. A file begun under
        another manifest is not resumed.

    Raises
    ------
    DataError
        On entering: if the suffix is neither, or the file was begun under another manifest or by
        something else, or holds a broken line.

    Examples
    --------
    >>> with PreferenceWriter("labelled.jsonl", {"strategy": "majority"}) as out:  # doctest: +SKIP
    ...     todo = [pair for pair in pairs if pair.id not in out.done_ids()]
    ...     out.write([preference_row(pair, "A", {"weight": 1.0}) for pair in todo])
    """

    def __init__(self, path: str | Path, manifest: Mapping[str, Any]) -> None:
        self.path = Path(path).expanduser()
        if self.path.suffix not in (".jsonl", ".parquet"):
            raise DataError(f"{self.path}: labelled pairs go to .jsonl or .parquet, not {self.path.suffix!r}")
        self._manifest: dict[str, Any] = json.loads(json.dumps(manifest))
        self._to_parquet = self.path.suffix == ".parquet"
        self._labelled_path = self._beside("partial.jsonl") if self._to_parquet else self.path
        self._dropped_path = self._beside("dropped.jsonl")

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._check_manifest()
            self._labelled = AppendOnlyLines(self._labelled_path)
            self._dropped = AppendOnlyLines(self._dropped_path)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._to_parquet and kind is None:
            write_atomically(self.path, self._write_parquet)

    def done_ids(self) -> frozenset[str]:
        """Return the ids already dealt with: labelled or dropped, now or before."""
        return frozenset(self._labelled.ids | self._dropped.ids)

    def dropped_ids(self) -> frozenset[str]:
        """Return the ids of pairs without a label, now or before."""
        return frozenset(self._dropped.ids)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append one chunk of rows (see :func:`preference_row`); it is on disk on return.

        Raises
        ------
        DataError
            If text and chat meet in one file: a column of a dataset holds one of them.
        """
        for row in rows:
            first = self._labelled.first or rows[0]
            if _form(row) != _form(first):
                raise DataError(
                    f"{self.path}: pair {row['id']} is {_form(row)}, but {first['id']} is {_form(first)};"
                    " a dataset holds one form: label them into two files"
                )
        self._labelled.append(rows)

    def drop(self, reasons: Mapping[str, str]) -> None:
        """Record pairs that got no label, from id to reason; it is on disk on return."""
        self._dropped.append([{"id": name, "reason": reason} for name, reason in reasons.items()])

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")

    def _check_manifest(self) -> None:
        """Refuse to go on with a file that was begun otherwise; else leave the manifest beside it."""
        sidecar = self._beside("manifest.json")
        files = {self.path, self._labelled_path, self._dropped_path}
        begun = any(file.exists() and file.stat().st_size > 0 for file in files)
        advice = f"give another file, or delete {self.path} and {self.path.name}.* to begin anew"
        if begun and not sidecar.exists():
            raise DataError(f"{self.path}: exists without {sidecar.name}, so it cannot be resumed; {advice}")
        if self._to_parquet and self.path.exists() and not self._labelled_path.exists():
            raise DataError(f"{self.path}: exists without {self._labelled_path.name}; {advice}")
        if begun and (changed := differences(read_manifest(sidecar), self._manifest)):
            raise DataError(f"{self.path}: was begun otherwise: {changed}; {advice}")
        write_manifest(sidecar, self._manifest)

    def _write_parquet(self, file: Path) -> None:
        rows = list(self._labelled.rows())
        columns = dict.fromkeys(name for row in rows for name in row) or dict.fromkeys(_COLUMNS)
        table = pa.table({name: [row.get(name) for row in rows] for name in columns})
        pq.write_table(table if rows else table.cast(pa.schema([(c, pa.string()) for c in columns])), file)


def _form(row: Mapping[str, Any]) -> str:
    return "text" if isinstance(row["prompt"], str) else "chat"
