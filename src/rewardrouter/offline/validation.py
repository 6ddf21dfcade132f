"""How well scores route, counted on pairs that the scores' model was not trained on."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.verdicts import VerdictTable


@dataclasses.dataclass(frozen=True)
class Validation:
    """The accuracy of a trained router on held-out training pairs.

    ``method`` says how they were held out; figures are shares of kept pairs (some RM
    is right); ``best_single`` is the RM with the highest accuracy on the same pairs,
    chosen with hindsight.
    """

    method: str
    n_pairs: int
    accuracy: float
    best_single: str
    best_single_accuracy: float
    by_domain: dict[str, tuple[int, float]]
    chosen: dict[str, float]
    candidates: tuple[dict[str, float], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return dataclasses.asdict(self)


def routed_correctly(
    scores: npt.NDArray[np.float64], behaviour: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return ``float64 [P]``: 1 where the highest-scored RM that has a verdict is right, else 0.

    ``scores`` is ``[P, N]``, ``behaviour`` ``[P, N]`` with NaN for tied and failed
    verdicts, past which a router fails over.
    """
    usable = np.where(np.isnan(behaviour), -np.inf, scores)
    chosen = np.take_along_axis(behaviour, usable.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.nan_to_num(chosen, nan=0.0)


def validate(
    method: str,
    scores: npt.NDArray[np.float64],
    table: VerdictTable,
    chosen: dict[str, float],
    candidates: tuple[dict[str, float], ...] = (),
) -> Validation:
    """Return the figures of held-out ``scores [P, N]`` on the same P pairs' verdicts."""
    behaviour, kept = table.behaviour, table.kept
    right = routed_correctly(scores, behaviour)
    singles = np.nan_to_num(behaviour, nan=0.0)[kept].mean(axis=0)
    domains = table.domains
    return Validation(
        method=method,
        n_pairs=int(kept.sum()),
        accuracy=float(right[kept].mean()),
        best_single=table.rms[int(singles.argmax())],
        best_single_accuracy=float(singles.max()),
        by_domain={
            str(name): (int(rows.sum()), float(right[rows].mean()))
            for name in np.unique(domains[kept])
            for rows in [kept & (domains == name)]
        },
        chosen=chosen,
        candidates=candidates,
    )
