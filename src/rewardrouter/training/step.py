"""One optimiser step in the making: what was collected for it, and what its pairs cost."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from rewardrouter.annotators import Outcome
from rewardrouter.errors import TrainingError
from rewardrouter.phases import Phase
from rewardrouter.policies.losses import PairLosses
from rewardrouter.training.experience import Experience
from rewardrouter.training.labelling import Labelling


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """A step's labelled pairs: ``experience`` is this process's, ``labelling`` of all processes.

    ``batches`` is the number of micro-batches, ``seconds`` what collecting took, by phase.
    """

    experience: Experience
    labelling: Labelling
    batches: int
    seconds: Mapping[Phase, float]


class Step:
    """Gathers the outcomes of this process's pairs, micro-batch by micro-batch."""

    def __init__(self, collected: Collected, began: float) -> None:
        self.collected = collected
        self.began = began
        self.outcomes: list[tuple[str, Outcome]] = []

    def note(self, decisions: Sequence[str], found: PairLosses) -> None:
        """Keep the losses of one micro-batch, of which the first pairs are ``decisions``.

        Raises
        ------
        TrainingError
            If one is not finite: a step on it would destroy the policy.
        """
        numbers = zip(
            decisions,
            found.losses.tolist(),
            found.swapped_losses.tolist(),
            found.margins.tolist(),
            strict=False,
        )
        for decision, loss, swapped, margin in numbers:
            if not math.isfinite(loss):
                raise TrainingError(
                    f"step {self.collected.labelling.step}: the loss of {decision} is {loss}. The policy has diverged:"
                    " go on from the last checkpoint with a lower learning rate"
                )
            self.outcomes.append((decision, Outcome(loss, swapped, margin)))
