"""Rewards that compare the chosen RM with others on the same pair (paper Table 7).

More RMs than the chosen one are asked; each one's label gives the pair a loss. The reward is 1 where the chosen
RM's loss is at most the mean over the RMs asked, else 0:

* *full advantage*: all RMs of the pool are asked;
* *light advantage*: C = 3, drawn without replacement, the chosen one not forced among them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import ConfigError
from rewardrouter.online.arrays import Indices, as_vector
from rewardrouter.online.feedback import Rewards
from rewardrouter.state import State, generator_state, restored_generator


def advantage_rewards(losses: npt.ArrayLike, references: npt.ArrayLike) -> Rewards:
    """Return 1 where the chosen RM's loss is at most the mean of the references, else 0.

    Parameters
    ----------
    losses
        ``[B]``, the pair's loss under the chosen RM's label, in nats.
    references
        ``[B, C]``, its losses under the labels of the RMs asked for comparison: all of the pool, or a
        :class:`ReferenceSampler`'s. One that is not finite (that RM gave no label) is left out of the mean.

    Returns
    -------
    A pair is refused (NaN) if its loss is not finite or none of its references is.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    compared = np.asarray(references, np.float64)
    if compared.ndim != 2:
        raise ValueError(f"references: expected shape [B, C], got {list(compared.shape)}")
    given = as_vector(losses, len(compared), "losses")
    known = np.isfinite(compared)
    usable = np.isfinite(given) & known.any(axis=1)
    # The sum of differences, not the difference of means: where all labels agree it is exactly 0.
    differences = np.where(known & usable[:, None], compared - np.where(usable, given, 0.0)[:, None], 0.0)
    values = np.where(usable, (differences.sum(axis=1) >= 0.0).astype(np.float64), np.nan)
    return Rewards(values, int((~usable).sum()))


class ReferenceSampler:
    """Says which RMs the light advantage asks, ``size`` per pair.

    Raises
    ------
    ConfigError
        If ``size`` is less than 1.
    """

    def __init__(self, size: int = 3, seed: int = 0) -> None:
        if size < 1:
            raise ConfigError(f"size: expected at least 1 RM to compare with, found {size}")
        self.size = size
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def draw(self, pairs: int, n_arms: int) -> Indices:
        """Return the RMs to ask, ``int [pairs, size]``: distinct within a pair, uniform over the pool.

        Raises
        ------
        ConfigError
            If the pool has fewer than ``size`` RMs.
        """
        if n_arms < self.size:
            raise ConfigError(
                f"light advantage: asks {self.size} RMs, but the pool has {n_arms}; lower size, or add RMs"
            )
        everyone = np.tile(np.arange(n_arms), (pairs, 1))
        return self._generator.permuted(everyone, axis=1)[:, : self.size]

    def state_dict(self) -> State:
        """Return the generator's state."""
        return State(metadata={"generator": generator_state(self._generator)})

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken.

        Raises
        ------
        CheckpointError
            If it is broken.
        """
        self._generator = restored_generator(state.value("generator", dict))
