"""Recorded verdicts from disk: one wide file, or the folder that ``collect`` writes.

Both forms (see ``verdict_columns`` and ``verdict_folder``) give the same
:class:`Recordings`: every RM's verdict on every usable pair, failures included.
Human labels are optional here; a :class:`~rewardrouter.verdicts.VerdictTable`
needs them.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rewardrouter.datasets.cells import EXPECTED
from rewardrouter.datasets.pairs import VERDICT_COLUMN, LoadedPairs, columns_of, given_id, pairs_of_rows
from rewardrouter.datasets.report import RowReport
from rewardrouter.datasets.rows import read_rows
from rewardrouter.datasets.verdict_cells import Recording
from rewardrouter.datasets.verdict_columns import column_answers
from rewardrouter.datasets.verdict_folder import PAIRS, folder_answers, is_verdict_folder
from rewardrouter.errors import DataError, did_you_mean
from rewardrouter.pairs import Label, PreferencePair
from rewardrouter.verdicts import Verdict

_UNREADABLE = {"score_not_a_number", "unparsable_verdict"}
_LABEL_LIKE = re.compile("label|prefer|winner|better|choice|chosen|human", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Recordings:
    """The verdicts of N RMs on P pairs, as recorded.

    Parameters
    ----------
    pairs, labels
        The P pairs, and their human labels where the source has them.
    rms
        The N names of the pool.
    verdicts
        ``[P][N]``: for each pair, the verdict of each RM in the order of ``rms``.
    report
        The rows and verdicts dropped or flagged, and why.
    """

    pairs: tuple[PreferencePair, ...]
    labels: tuple[Label | None, ...]
    rms: tuple[str, ...]
    verdicts: tuple[tuple[Verdict, ...], ...]
    report: RowReport


def load_recordings(
    source: str | Path, rms: Sequence[str] | None = None, *, labelled: bool = False
) -> Recordings:
    """Read recorded verdicts, in either form.

    Parameters
    ----------
    source
        The folder or the wide file (any format of :func:`~rewardrouter.datasets.rows.read_rows`).
    rms
        The pool and its order; ``None`` takes every RM that has a usable verdict, in file order.
    labelled
        Keep only pairs with a human label, and report the others.

    Raises
    ------
    DataError
        If the source cannot be read or used: no RM columns, half of an RM's scores, an unknown RM in
        ``rms`` or one without a usable verdict, no usable pair.
    """
    path, where = Path(source).expanduser(), str(source)
    from_folder = is_verdict_folder(path)
    rows = read_rows(path / PAIRS if from_folder else source)
    loaded = pairs_of_rows(rows, where)
    if loaded.form != "ours":
        raise DataError(
            f"{where}: verdicts name A or B, so response_a and response_b are needed, not chosen, rejected"
        )
    known = {pair.id for pair in loaded.pairs} | {given_id(row) or "" for row in rows}
    if labelled:
        loaded = _labelled(
            loaded, where, [name for name in columns_of(rows) if not VERDICT_COLUMN.fullmatch(name)]
        )
    if from_folder:
        answers = folder_answers(path, [pair.id for pair in loaded.pairs], known, loaded.report)
    else:
        answers = column_answers(rows, loaded.rows, where, loaded.report)
    pool = _pool(answers, rms, loaded.report, where)
    for name in pool:
        for pair, recording in zip(loaded.pairs, answers[name], strict=True):
            if recording.problem is not None:
                loaded.report.add(recording.problem, f"{pair.id} ({name})")
    by_pair = zip(*([recording.verdict for recording in answers[name]] for name in pool), strict=True)
    return Recordings(loaded.pairs, loaded.labels, pool, tuple(by_pair), loaded.report)


def _labelled(loaded: LoadedPairs, where: str, columns: Sequence[str]) -> LoadedPairs:
    with_label = loaded.labelled()
    if not with_label.pairs and "label" not in columns:
        near = [name for name in columns if _LABEL_LIKE.search(name)] or columns
        hint = did_you_mean("label", near) or (f" Is it {near[0]}?" if near is not columns else "")
        raise DataError(
            f"{where}: no column label, which says whether A or B is better; found {', '.join(columns)}.{hint}"
        )
    if not with_label.pairs:
        raise DataError(
            f"{where}: none of its {len(loaded.pairs):,} usable pairs has a label: the column label holds none;"
            f" expected {EXPECTED}"
        )
    return with_label


def _pool(
    answers: Mapping[str, Sequence[Recording]], rms: Sequence[str] | None, report: RowReport, source: str
) -> tuple[str, ...]:
    """Return the RMs asked for, or all that answered anything."""
    answered = [name for name in answers if any(r.verdict.winner is not None for r in answers[name])]
    if rms is None:
        for name in answers:
            if name not in answered:
                report.add("rm_without_verdicts", f"{name} ({_commonest_failure(answers[name])})")
        for name in answers:
            if name not in answered and (kinds := {r.problem for r in answers[name]} & _UNREADABLE):
                raise DataError(
                    f"{source}: no verdict of {name} can be read: {_commonest_failure(answers[name], kinds)};"
                    " mend its columns, or remove them"
                )
        if not answered:
            raise DataError(f"{source}: no usable verdict of any reward model ({', '.join(answers)})")
        return tuple(answered)
    if not rms or len(set(rms)) != len(rms):
        raise DataError(
            f"{source}: name at least one reward model, and each once; found {', '.join(rms) or 'none'}"
        )
    for name in rms:
        if name not in answers:
            raise DataError(
                f"{source}: no verdicts of the reward model {name!r}.{did_you_mean(name, answers)}"
                f" Known: {', '.join(answers)}"
            )
        if name not in answered:
            raise DataError(
                f"{source}: the reward model {name!r} has no usable verdict on any pair"
                f" ({_commonest_failure(answers[name])}); leave it out"
            )
    return tuple(rms)


def _commonest_failure(recordings: Sequence[Recording], kinds: Collection[str | None] = ()) -> str:
    """Return the reason, of the first pair that it befell, of the kind of failure (of ``kinds``) most frequent."""
    counted = Counter(
        recording.problem for recording in recordings if not kinds or recording.problem in kinds
    )
    ((kind, _),) = counted.most_common(1)
    return next(str(recording.verdict.error) for recording in recordings if recording.problem == kind)
