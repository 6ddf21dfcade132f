"""The running scale of every RM's scores, so that RMs of different units can be mixed.

A policy is trained on one reward; where each prompt's comes from another RM, 3.1 of one and 0.2 of another must mean
the same. Each score is taken as its distance from the mean of that RM's scores so far, in their standard
deviations. What the router's fit saw of an RM is where its scale starts, worth a given number of scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rewardrouter.annotators.ensembles import ScoreScale
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.arrays import Floats
from rewardrouter.state import State


class RunningScales:
    """Mean and standard deviation of each of N RMs' scores so far.

    Parameters
    ----------
    names
        Of the N RMs.
    start
        The scale of some of them before any score.
    weight
        How many scores that is worth, > 0.

    Raises
    ------
    ConfigError
        If ``weight`` is not positive.
    """

    def __init__(self, names: Sequence[str], start: Mapping[str, ScoreScale], weight: float) -> None:
        if not 0 < weight < np.inf:
            raise ConfigError(f"scale_weight: expected a positive number of scores, found {weight}")
        self._names = list(names)
        known = [start.get(name) for name in self._names]
        self._counts = np.array([0.0 if scale is None else weight for scale in known])
        self._means = np.array([0.0 if scale is None else scale.mean for scale in known])
        self._squares = np.array([0.0 if scale is None else weight * scale.std**2 for scale in known])

    def scale(self, rm: str) -> ScoreScale | None:
        """Return an RM's scale now; ``None`` where all its scores were equal, or there was none."""
        n = self._names.index(rm)
        if not self._squares[n] > 0:
            return None
        return ScoreScale(float(self._means[n]), float(np.sqrt(self._squares[n] / self._counts[n])))

    def take_in(self, rm: str, scores: Floats) -> None:
        """Take in finite scores ``[n]``, in the RM's own unit."""
        if not len(scores):
            return
        n, new, mean = self._names.index(rm), len(scores), float(scores.mean())
        total, gap = self._counts[n] + new, mean - self._means[n]
        self._squares[n] += ((scores - mean) ** 2).sum() + gap**2 * self._counts[n] * new / total
        self._means[n] += gap * new / total
        self._counts[n] = total

    def standardised(self, rm: str, scores: Floats) -> Floats:
        """Return scores ``[n]`` on the RM's scale; 0 where it has none."""
        scale = self.scale(rm)
        return np.zeros(len(scores)) if scale is None else (scores - scale.mean) / scale.std

    def state_dict(self) -> State:
        """Return all scales."""
        arrays = {"counts": self._counts, "means": self._means, "squares": self._squares}
        return State({name: array.copy() for name, array in arrays.items()}, {"names": list(self._names)})

    def load_state_dict(self, state: State) -> None:
        """Restore what :meth:`state_dict` returned; the order of the RMs stays that of this object.

        Raises
        ------
        CheckpointError
            If it is broken or of other RMs; nothing is changed then.
        """
        saved = state.value("names", list)
        if sorted(saved) != sorted(self._names):
            raise CheckpointError(
                f"state: scales of {', '.join(map(str, saved))}, but here are {', '.join(self._names)}"
            )
        order = [saved.index(name) for name in self._names]
        counts, means, squares = (
            state.floats(name, len(order))[order] for name in ("counts", "means", "squares")
        )
        self._counts, self._means, self._squares = counts, means, squares
