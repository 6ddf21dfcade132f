"""What a file held that could not be used as it stood, named row by row.

Nothing is guessed and nothing is left out in silence: whoever reads rows keeps a
:class:`RowReport` beside them, with one entry per problem and the ids it was
found on. A problem of one reward model on one pair is named ``pair id (rm)``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

SHOWN = 5
"""How many ids a line names before it only counts."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Wording:
    """How one kind of problem is told: what it is, of what, and what was done about it."""

    problem: str
    unit: str
    action: str


_WORDINGS = {
    "missing_text": _Wording("missing text or empty prompt", "row", "dropped"),
    "malformed_messages": _Wording(
        "text that is neither a string nor a list of role and content", "row", "dropped"
    ),
    "holds_image": _Wording("image in a message, where only text is read", "row", "dropped"),
    "holds_other_media": _Wording("message with a part that is not text", "row", "dropped"),
    "broken_unicode": _Wording("text with half a surrogate pair, which is not Unicode", "row", "dropped"),
    "bad_label": _Wording("label other than A or B", "row", "dropped"),
    "tie_label": _Wording("label that is a tie", "row", "kept without a label"),
    "missing_label": _Wording("no label", "row", "dropped"),
    "duplicate_id": _Wording("id used before", "row", "dropped, the first with that id kept"),
    "identical_responses": _Wording("two identical responses", "row", "dropped"),
    "several_right_answers": _Wording("several right answers to one prompt", "row", "left out"),
    "no_majority": _Wording("no two annotators of one opinion", "row", "left out"),
    "prompts_differ": _Wording("transcripts that differ before the last answer", "row", "left out"),
    "no_last_answer": _Wording("conversation without an answer at its end", "row", "left out"),
    "no_last_question": _Wording("prompt that does not end with the user", "row", "left out"),
    "not_a_transcript": _Wording("text that is no transcript", "row", "left out"),
    "no_score": _Wording("response without a score", "row", "left out"),
    "no_gold_answer": _Wording("no gold answer", "row", "left out"),
    "empty_response": _Wording("empty response", "row", "kept"),
    "extra_message_keys": _Wording(
        "messages that hold more than role and content", "row", "kept without the rest"
    ),
    "nan_score": _Wording("score missing or not a finite number", "verdict", "counted as failed"),
    "score_not_a_number": _Wording("score that is not a number", "verdict", "counted as failed"),
    "unparsable_verdict": _Wording("verdict other than A, B or tie", "verdict", "counted as failed"),
    "missing_verdict": _Wording("no verdict recorded, or a failed call", "verdict", "counted as failed"),
    "score_verdict_conflict": _Wording(
        "verdict that contradicts its own scores", "verdict", "kept, the verdict decides"
    ),
    "conflicting_verdicts": _Wording(
        "two different verdicts of one RM on one pair", "verdict", "kept, the first decides"
    ),
    "unknown_pair": _Wording("verdict on a pair that is not in pairs.parquet", "verdict", "left out"),
    "almost_verdict_column": _Wording(
        "name almost that of a verdict's column", "column", "not read as verdicts"
    ),
    "rm_without_verdicts": _Wording(
        "reward model without a usable verdict", "reward model", "left out of the pool"
    ),
}


@dataclasses.dataclass(slots=True)
class RowReport:
    """Which rows were dropped or flagged, and why.

    Parameters
    ----------
    problems
        From the kind of problem (a stable ``snake_case`` word) to the ids it was found on, in file order.
        A row without an id is named ``row N``, counted from 1.
    rows_read, rows_used
        Rows in the source, and how many of them became pairs.
    notes
        Lines about the source as a whole.
    """

    problems: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    rows_read: int = 0
    rows_used: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)

    def add(self, kind: str, row_id: str) -> None:
        """Record one problem of ``kind`` on ``row_id``."""
        self.problems.setdefault(kind, []).append(row_id)

    def lines(self) -> list[str]:
        """Return the notes, then one readable line per kind: the problem, how many, what was done, the first ids."""
        return [*self.notes, *(_line(kind, ids) for kind, ids in self.problems.items())]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values, with all ids."""
        return dataclasses.asdict(self)


def _line(kind: str, ids: list[str]) -> str:
    wording = _WORDINGS.get(kind) or _Wording(kind.replace("_", " "), "row", "reported")
    unit = wording.unit if len(ids) == 1 else f"{wording.unit}s"
    more = f" ... and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return f"{wording.problem}: {len(ids):,} {unit} {wording.action}: {', '.join(ids[:SHOWN])}{more}"
