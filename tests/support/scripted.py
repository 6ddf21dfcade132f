"""Verdicts as a test dictates them, and the pool that gives them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from rewardrouter.pairs import PreferencePair
from rewardrouter.verdicts import FAILED, TIE, A, B, VerdictTable


def scripted(
    winners: npt.ArrayLike,
    *,
    labels: npt.ArrayLike | None = None,
    scores_a: npt.ArrayLike | None = None,
    scores_b: npt.ArrayLike | None = None,
    domains: Sequence[str] | None = None,
) -> VerdictTable:
    """Return a table of these winners (codes, ``[P, N]``) on P pairs with texts of their own."""
    codes = np.asarray(winners, dtype=np.int8)
    n_pairs, n_rms = codes.shape

    def scores(given: npt.ArrayLike | None) -> npt.NDArray[np.float64]:
        return np.full(codes.shape, np.nan) if given is None else np.asarray(given, dtype=np.float64)

    return VerdictTable(
        tuple(
            PreferencePair(f"p{i}", f"q{i}", f"x{i}", f"y{i}", {"domain": domains[i] if domains else "d"})
            for i in range(n_pairs)
        ),
        np.asarray(labels if labels is not None else [A] * n_pairs, dtype=np.int8),
        tuple(f"rm{n}" for n in range(n_rms)),
        codes,
        scores(scores_a),
        scores(scores_b),
    )


def scored(scores_a: npt.ArrayLike, scores_b: npt.ArrayLike) -> VerdictTable:
    """Return the table of pointwise RMs with these scores, ``[P, N]``; NaN is a failure."""
    a, b = np.asarray(scores_a, dtype=np.float64), np.asarray(scores_b, dtype=np.float64)
    codes = np.where(np.isnan(a) | np.isnan(b), FAILED, np.sign(np.nan_to_num(a - b)))
    return scripted(codes, scores_a=a, scores_b=b)


def winner_grids(max_pairs: int = 6, max_rms: int = 4) -> st.SearchStrategy[list[list[int]]]:
    """Return a strategy for the winners of P pairs by N RMs, ties and failures among them."""
    return st.integers(1, max_rms).flatmap(
        lambda n: st.lists(
            st.lists(st.sampled_from([A, B, TIE, FAILED]), min_size=n, max_size=n),
            min_size=1,
            max_size=max_pairs,
        )
    )
