"""The posteriors' state: all there is, as it is, so that what continues from it continues with the same bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import CheckpointError
from rewardrouter.online.arrays import Floats
from rewardrouter.state import State

_NUMBERS = ("prior_variance", "given_variance", "noise_variance", "discount")


@dataclasses.dataclass(frozen=True, slots=True)
class PosteriorState:
    """What is kept of posteriors; the fields are those of :class:`~rewardrouter.online.posterior.ArmPosteriors`.

    ``covariances`` is their own state.
    """

    names: list[str]
    mean: Floats
    prior_mean: Floats
    counts: npt.NDArray[np.int64]
    spread: Floats
    covariances: State
    prior_variance: float
    given_variance: float
    noise_variance: float
    discount: float

    @property
    def dimension(self) -> int:
        """The number of weights of an arm, d."""
        return int(self.mean.shape[1])

    def state(self) -> State:
        """Return it as arrays and JSON values."""
        arrays = {
            "mean": self.mean.copy(),
            "prior_mean": self.prior_mean.copy(),
            "counts": self.counts.copy(),
            "spread": self.spread.copy(),
            **self.covariances.arrays,
        }
        return State(arrays, {"names": list(self.names), **{name: getattr(self, name) for name in _NUMBERS}})

    @classmethod
    def read(cls, state: State) -> PosteriorState:
        """Return what :meth:`state` returned.

        Raises
        ------
        CheckpointError
            If it is broken.
        """
        names = [str(name) for name in state.value("names", list)]
        mean = state.floats("mean", len(names), None)
        return cls(
            names,
            mean,
            state.floats("prior_mean", *mean.shape),
            state.array("counts", (len(names),), np.int64),
            state.floats("spread", len(names)),
            state,
            *(state.value(name, float) for name in _NUMBERS),
        )

    def check_agreement(self, names: Sequence[str], **own: float) -> None:
        """Refuse to be taken over by posteriors of ``names`` that could not go on with it.

        ``own`` are their dimension, variances and discount.

        Raises
        ------
        CheckpointError
            If they are of other arms, another dimension, other variances or another discount.
        """
        if sorted(self.names) != sorted(names):
            raise CheckpointError(
                f"state: of the arms {', '.join(self.names)}, but here are {', '.join(names)};"
                " add or remove arms first"
            )
        saved = {
            "dimension": self.dimension,
            "prior_variance": self.given_variance,
            "noise_variance": self.noise_variance,
            "discount": self.discount,
        }
        for told, value in own.items():
            if saved[told] != value:
                raise CheckpointError(f"state: {told} is {saved[told]}, but here {value}; give the same")
