"""Labelled pairs on disk, in TRL's preference format (``prompt, chosen, rejected``).

:class:`PreferenceWriter` appends JSON lines, chunk by chunk, each on disk before
the next is begun. A killed run resumes where it stood: a torn last line is cut
off, the ids already written are known, and a manifest beside the file makes sure
that the rest is labelled in the same way. Pairs that got no label are kept with
the reason, in a file of their own; those whose calls failed may be asked again.
Parquet is made from the lines at the end.

A pair that gets its label later is appended like any other; its line of the other
file, and the order of both, are set right when the run ends, each file all at once.
A run that is killed before leaves a file of labels without repetition, which counts.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from rewardrouter.datasets.manifests import differences, read_manifest, write_manifest
from rewardrouter.errors import DataError
from rewardrouter.files import AppendOnlyLines, write_atomically, write_text_atomically
from rewardrouter.locks import HeldError, held
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
    without a label, with ``reason`` and, where calls failed, whose: ``failed``) and, for parquet,
    ``<file>.partial.jsonl`` (the lines themselves). The parquet file appears when the block ends without an
    error, all at once.

    Parameters
    ----------
    path
        The file: ``.jsonl`` or ``.parquet``. Its folder is created.
    manifest
        How the pairs are labelled (strategy, router identity, pool): JSON values. A file begun under
        another manifest is not resumed.
    order
        The ids, in the order in which lines stand once a block that labelled pairs dropped before has ended.

    Raises
    ------
    DataError
        On entering: if the suffix is neither, or the file was begun under another manifest or by
        something else, holds a broken line or an id twice, or another process is writing to it.

    Examples
    --------
    >>> with PreferenceWriter("labelled.jsonl", {"strategy": "majority"}) as out:  # doctest: +SKIP
    ...     todo = [pair for pair in pairs if pair.id not in out.done_ids()]
    ...     out.write([preference_row(pair, "A", {"weight": 1.0}) for pair in todo])
    """

    def __init__(self, path: str | Path, manifest: Mapping[str, Any], order: Iterable[str] = ()) -> None:
        self.path = Path(path).expanduser()
        if self.path.suffix not in (".jsonl", ".parquet"):
            raise DataError(f"{self.path}: labelled pairs go to .jsonl or .parquet, not {self.path.suffix!r}")
        self._manifest: dict[str, Any] = json.loads(json.dumps(manifest))
        self._to_parquet = self.path.suffix == ".parquet"
        self._labelled_path = self._beside("partial.jsonl") if self._to_parquet else self.path
        self._dropped_path = self._beside("dropped.jsonl")
        self._order = tuple(order)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                opened.enter_context(held(self.path.with_name(f".{self.path.name}.lock")))
                self._begin()
            except HeldError as error:
                raise DataError(f"{self.path}: {error} is writing to it; wait for its end") from None
            except OSError as error:
                raise DataError(f"{self.path}: cannot be written: {error.strerror}") from error
            self._opened = opened.pop_all()
        return self

    def _begin(self) -> None:
        self._check_manifest()
        self._labelled = AppendOnlyLines(self._labelled_path)
        if repeated := self._labelled.repeated:
            raise DataError(
                f"{self._labelled_path}: {len(repeated):,} ids stand there twice, {sorted(repeated)[0]} is one: two"
                f" commands wrote to it; delete {self.path} and {self.path.name}.* to begin anew"
            )
        self._dropped = AppendOnlyLines(self._dropped_path)
        self._reasons = {str(row["id"]): row for row in self._dropped.rows()}
        self._other_reasons = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._opened:
            if kind is not None:
                return
            self._settle()
            if self._to_parquet:
                write_atomically(self.path, self._write_parquet)

    def done_ids(self) -> frozenset[str]:
        """Return the ids dealt with for good, now or before: labelled, or dropped although no call failed."""
        return frozenset(
            self._labelled.ids | {name for name, row in self._reasons.items() if not _failed(row)}
        )

    def failed_ids(self) -> frozenset[str]:
        """Return the ids of pairs without a label of which calls failed, now or before: to be asked again."""
        return frozenset(name for name, row in self._reasons.items() if _failed(row)) - self._labelled.ids

    def dropped_ids(self) -> frozenset[str]:
        """Return the ids of pairs without a label, now or before."""
        return frozenset(self._reasons) - self._labelled.ids

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

    def drop(self, reasons: Mapping[str, str], failed: Mapping[str, Sequence[str]] | None = None) -> None:
        """Record pairs that got no label; they are on disk on return.

        Parameters
        ----------
        reasons
            From id to reason. Another reason of a pair that was dropped before is on disk when the block ends.
        failed
            From id to the RMs whose calls failed, where any did.
        """
        rows: dict[str, dict[str, Any]] = {}
        for name, reason in reasons.items():
            whose = list((failed or {}).get(name, ()))
            rows[name] = {"id": name, "reason": reason} | ({"failed": whose} if whose else {})
        self._other_reasons |= any(name in self._reasons for name in rows)
        self._dropped.append([row for name, row in rows.items() if name not in self._reasons])
        self._reasons |= rows

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")

    def _check_manifest(self) -> None:
        """Refuse to go on with a file that was begun otherwise; else leave the manifest beside it."""
        sidecar = self._beside("manifest.json")
        files = {self.path, self._labelled_path, self._dropped_path}
        begun = any(file.exists() and file.stat().st_size > 0 for file in files)
        advice = f"give another file, or delete {self.path} and {self.path.name}.* to begin anew"
        if begun and not sidecar.exists():
            raise DataError(
                f"{self.path}: exists, and annotate did not begin it (no {sidecar.name}); give another file"
            )
        if self._to_parquet and self.path.exists() and not self._labelled_path.exists():
            raise DataError(f"{self.path}: exists without {self._labelled_path.name}; give another file")
        if begun and (changed := differences(read_manifest(sidecar), self._manifest)):
            raise DataError(f"{self.path}: was begun otherwise: {changed}; {advice}")
        write_manifest(sidecar, self._manifest)

    def _settle(self) -> None:
        """Give the lines their order and take what is labelled out of the dropped; nothing where no pair came twice.

        The labels first: where it ends in between, the lines that are still among the dropped tell the next run.
        """
        late = self._reasons.keys() & self._labelled.ids
        if late:
            self._labelled.arrange(self._order)
        if late or self._other_reasons:
            place = {name: n for n, name in enumerate(self._order)}
            left = sorted(self._reasons.keys() - late, key=lambda name: (place.get(name, len(place)), name))
            lines = (json.dumps(self._reasons[name], ensure_ascii=False) + "\n" for name in left)
            write_text_atomically(self._dropped_path, "".join(lines))

    def _write_parquet(self, file: Path) -> None:
        rows = list(self._labelled.rows())
        columns = dict.fromkeys(name for row in rows for name in row) or dict.fromkeys(_COLUMNS)
        table = pa.table({name: [row.get(name) for row in rows] for name in columns})
        pq.write_table(table if rows else table.cast(pa.schema([(c, pa.string()) for c in columns])), file)


def _failed(row: Mapping[str, Any]) -> bool:
    return bool(row.get("failed"))


def _form(row: Mapping[str, Any]) -> str:
    return "text" if isinstance(row["prompt"], str) else "chat"
