"""Length-controlled win rate (Dubois et al., arXiv 2404.04475), as alpaca_eval 0.6.6 computes it.

A logistic regression without intercept explains the preferences p (of the policy over the baseline, in [0, 1]) by

* ``tanh(delta / std(delta))``, delta being the baseline's length less the policy's, in characters;
* the difficulty of the instruction (not in the *minimal* model);
* 1: which of the two is better, all else equal.

The win rate is the mean of its predictions with delta = 0. It is fitted with an L1 penalty, its strength chosen by
5-fold cross-validation of the log loss; *v1* also holds it, with a small weight, to preferences between long and short
outputs of the baseline (``df_gamed.csv``), for which the third feature is 0.

Question i is in fold i mod 5, as alpaca_eval's folds are (scikit-learn's GroupKFold, in another order).
"""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from rewardrouter.config.benchmark import GlmName
from rewardrouter.errors import DataError

Array = npt.NDArray[np.float64]

STRENGTHS = np.logspace(-4, 4, 10)
"""Weights C of the log loss beside the penalty that are tried (scikit-learn's ``Cs=10``)."""

_FOLDS = 5
_GAMED_WEIGHT = 0.2 / 2
"""0.2, for two ways of being long or short."""


@dataclasses.dataclass(frozen=True, slots=True)
class Gamed:
    """What ``df_gamed.csv`` holds: rows of ``preference``, ``std_delta_len``, and the difficulty of each instruction.

    ``difficulty`` is ``float64 [805]``, by the instruction's number; all arrays are ``float64 [G]`` otherwise.
    """

    preference: Array
    delta: Array
    row_difficulty: Array
    difficulty: Array


@dataclasses.dataclass(frozen=True, slots=True)
class LengthControl:
    """The fitted model: ``weights`` of its features and the ``strength`` chosen for it.

    ``features`` is the design matrix of the questions without a difference in length, ``float64 [Q, F]``.
    """

    weights: Array
    strength: float
    features: Array

    @property
    def win_rate(self) -> float:
        """The length-controlled win rate, from 0 to 1."""
        return float(expit(self.features @ self.weights).mean())


class LengthController:
    """The regression's data, fitted as a whole or with questions drawn anew.

    Parameters
    ----------
    preferences
        ``float64 [Q]``, in [0, 1]: how much the policy's answer is preferred.
    baseline_lengths, policy_lengths
        ``float64 [Q]``, in characters.
    numbers
        ``int [Q]``: each instruction's number in AlpacaEval, from 0.
    glm
        Which model.
    gamed
        For the models that need it.
    """

    def __init__(
        self,
        preferences: Array,
        baseline_lengths: Array,
        policy_lengths: Array,
        numbers: npt.NDArray[np.int64],
        glm: GlmName,
        gamed: Gamed | None,
    ) -> None:
        delta = baseline_lengths - policy_lengths
        spread = delta.std(ddof=1) if len(delta) > 1 else 0.0
        # alpaca_eval divides by it as it is; where all differences are equal there is nothing to control for.
        self._length = np.tanh(delta / spread) if spread > 0 else np.zeros_like(delta)
        self._preferences = preferences
        ones = np.ones_like(preferences)
        columns = [self._length, ones]
        if glm != "length_controlled_minimal":
            if gamed is None:
                raise ValueError(f"{glm} needs the difficulty of the instructions")
            columns.insert(1, gamed.difficulty[numbers])
        self._features = np.stack(columns, axis=1)
        self._held = np.empty((0, self._features.shape[1])), np.empty(0)
        if glm == "length_controlled_v1" and gamed is not None:
            held = np.stack([np.tanh(gamed.delta), gamed.row_difficulty, np.zeros_like(gamed.delta)], axis=1)
            self._held = held, gamed.preference

    @property
    def controls(self) -> bool:
        """Whether lengths differ."""
        return bool(self._length.any())

    def fit(self, counts: Array | None = None, strength: float | None = None) -> LengthControl:
        """Fit the model.

        Parameters
        ----------
        counts
            ``float64 [Q]``: how often each question counts; by default once.
        strength
            C; by default chosen by cross-validation.
        """
        weight = np.ones_like(self._preferences) if counts is None else counts
        held, held_preferences = self._held
        x = np.concatenate([held, self._features])
        p = np.concatenate([held_preferences, self._preferences])
        w = np.concatenate([np.full(len(held_preferences), _GAMED_WEIGHT), weight])
        chosen = _chosen(x, p, w) if strength is None else strength
        weights = fit_l1(x, p, w, chosen)
        flat = self._features.copy()
        flat[:, 0] = 0.0
        shown = flat if counts is None else np.repeat(flat, counts.astype(np.int64), axis=0)
        return LengthControl(weights, chosen, shown)


def fit_l1(x: Array, p: Array, w: Array, strength: float) -> Array:
    """Return the weights that minimise ``|beta|_1 + C sum_i w_i logloss(p_i, expit(x_i beta))``.

    ``x`` is ``float64 [N, F]``, ``p`` and ``w`` are ``float64 [N]``; beta is split into its positive and negative part,
    so that the objective is smooth within bounds. It is divided by about its size, of 1e-2 to 1e7: SLSQP stops by its
    change, and errs by less than 1e-5 points of a win rate (L-BFGS-B may stop after one bad step, and erred by 0.9).
    """
    n = x.shape[1]
    size = 1.0 + strength * float(w.sum())

    def objective(split: Array) -> tuple[float, Array]:
        logits = x @ (split[:n] - split[n:])
        loss = float((w * (np.logaddexp(0.0, logits) - p * logits)).sum())
        slope = strength * (x.T @ (w * (expit(logits) - p)))
        return (float(split.sum()) + strength * loss) / size, np.concatenate([1 + slope, 1 - slope]) / size

    found = minimize(
        objective,
        np.zeros(2 * n),
        jac=True,
        method="SLSQP",
        bounds=[(0, None)] * (2 * n),
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    solution: Array = found.x[:n] - found.x[n:]
    return solution


def read_gamed(path: Path) -> Gamed:
    """Read AlpacaEval's ``df_gamed.csv``.

    Raises
    ------
    DataError
        If it lacks a column, or holds what is no number.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = {
            name: np.array([float(row[name]) for row in rows])
            for name in ("std_delta_len", "instruction_difficulty", "index")
        }
        preference = np.array([float(row["preference"] or "nan") for row in rows])
    except OSError as error:
        raise DataError(f"alpaca_eval.gamed: {path} cannot be read: {error.strerror}") from None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(
            f"alpaca_eval.gamed: {path}: expected the columns index, preference, std_delta_len and"
            f" instruction_difficulty, all numbers ({error})"
        ) from None
    numbers = columns["index"].astype(np.int64)
    difficulty = np.full(int(numbers.max(initial=-1)) + 1, np.nan)
    # The first row of an instruction counts.
    difficulty[numbers[::-1]] = columns["instruction_difficulty"][::-1]
    known = np.isfinite(preference)  # a row without one is left out
    return Gamed(
        preference[known],
        columns["std_delta_len"][known],
        columns["instruction_difficulty"][known],
        difficulty,
    )


def _chosen(x: Array, p: Array, w: Array) -> float:
    """Return the strength with the least log loss, weighted, in 5-fold cross-validation; of equals the least."""
    folds = np.arange(len(p)) % _FOLDS
    losses = np.zeros(len(STRENGTHS))
    for fold in range(min(_FOLDS, len(p))):
        left_out = folds == fold
        for place, strength in enumerate(STRENGTHS):
            weights = fit_l1(x[~left_out], p[~left_out], w[~left_out], strength)
            predicted = np.clip(expit(x[left_out] @ weights), 1e-15, 1 - 1e-15)
            loss = p[left_out] * np.log(predicted) + (1 - p[left_out]) * np.log(1 - predicted)
            losses[place] -= float((w[left_out] * loss).mean())
    return float(STRENGTHS[int(np.argmin(losses))])
