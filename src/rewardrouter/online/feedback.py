"""From the DPO losses of a step to bandit rewards in [0, 1] (paper App. B).

A pair that the policy learns easily has a low loss; the bandit is rewarded for it. Losses fall as training goes
on, so they are compared: within the batch, then with the past.

* :class:`BanditReward`, the paper's: ``r_i = mean_j L_j - L_i`` over the pairs of one training step, rescaled by the
  20th and 80th percentiles of all past r.
* :class:`BatchReward`, LASER's: minus the batch's mean loss, rescaled by the percentiles of past batches. It is
  not centred: one RM labels the whole batch, centring would make it constant.

What the reward measures: with the policy's margin m and the label l = +-1, ``-loss = -log(2 cosh(m / 2)) + l m / 2``.
Of two arms that disagree on a pair, the one that agrees with the policy is rewarded more, right or wrong. At the
start, m = 0, no label is better than another.

A loss that is not finite is refused: no reward comes of it (NaN, which the policies pass over), the other pairs'
rewards are as if it were absent, and it is counted.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import CheckpointError
from rewardrouter.online.arrays import Floats, as_vector
from rewardrouter.online.quantiles import PercentileScale
from rewardrouter.state import State


@dataclasses.dataclass(frozen=True, slots=True)
class Rewards:
    """Bandit rewards: ``values``, ``float64 [B]`` in [0, 1], NaN for each of the ``refused`` losses."""

    values: Floats
    refused: int


class BanditReward:
    """The paper's bandit reward.

    ``scale`` rescales by the past. ``refused`` counts the losses refused so far.
    """

    def __init__(self, scale: PercentileScale | None = None) -> None:
        self.scale = PercentileScale() if scale is None else scale
        self.refused = 0
        self._seen = 0
        self._mean_loss = 0.0

    def rewards(self, losses: npt.ArrayLike) -> Rewards:
        """Return the rewards of one training step's pairs.

        A single loss is centred on the mean of all losses before it instead, as it would be its own mean
        otherwise; the very first one is neutral and leaves no past.

        Parameters
        ----------
        losses
            ``[B]``, in nats, unweighted, of *all* pairs of the step: whoever calls gathers them by ``batch_id``.
        """
        given = as_vector(losses, np.size(losses), "losses")
        usable = np.isfinite(given)
        kept = given[usable]
        refused = len(given) - len(kept)
        values = np.full(len(given), np.nan)
        if len(kept) > 1:
            values[usable] = self.scale.rescale(kept.mean() - kept)
        elif len(kept) and self._seen:
            values[usable] = self.scale.rescale(self._mean_loss - kept)
        else:
            values[usable] = self.scale.NEUTRAL
        if len(kept):
            self._seen += len(kept)
            self._mean_loss += float((kept - self._mean_loss).sum()) / self._seen
        self.refused += refused
        return Rewards(values, refused)

    def state_dict(self) -> State:
        """Return past rewards, mean loss and counts."""
        own = {"refused": self.refused, "seen": self._seen, "mean_loss": self._mean_loss}
        return State.joined(own, scale=self.scale.state_dict())

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken, to the same bits.

        Raises
        ------
        CheckpointError
            If it is broken.
        """
        refused, seen = _count(state, "refused"), _count(state, "seen")
        mean_loss = float(state.value("mean_loss", float))
        if not np.isfinite(mean_loss):
            raise CheckpointError(f"state: mean_loss is {mean_loss}; it is broken")
        self.scale.load_state_dict(state.part("scale"))
        self.refused, self._seen, self._mean_loss = refused, seen, mean_loss


class BatchReward:
    """LASER's reward: one for a whole batch, which one RM labelled.

    ``scale`` rescales by past batches; two are enough, as in LASER's released code (which feeds the raw mean loss
    before that, where this is neutral). ``refused`` counts the losses refused so far.
    """

    def __init__(self, scale: PercentileScale | None = None) -> None:
        self.scale = PercentileScale(least=2) if scale is None else scale
        self.refused = 0

    def rewards(self, losses: npt.ArrayLike) -> Rewards:
        """Return the one reward, ``values [1]``, of a batch's losses ``[B]`` in nats; NaN where none is finite."""
        given = as_vector(losses, np.size(losses), "losses")
        kept = given[np.isfinite(given)]
        refused = len(given) - len(kept)
        self.refused += refused
        if not len(kept):
            return Rewards(np.full(1, np.nan), refused)
        return Rewards(self.scale.rescale(np.array([-kept.mean()])), refused)

    def state_dict(self) -> State:
        """Return past rewards and counts."""
        return State.joined({"refused": self.refused}, scale=self.scale.state_dict())

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken, to the same bits.

        Raises
        ------
        CheckpointError
            If it is broken.
        """
        refused = _count(state, "refused")
        self.scale.load_state_dict(state.part("scale"))
        self.refused = refused


def _count(state: State, name: str) -> int:
    found = int(state.value(name, int))
    if found < 0:
        raise CheckpointError(f"state: {name} is {found}, less than 0; it is broken")
    return found
