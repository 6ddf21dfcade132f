"""The seam behind which every labelling strategy stands.

An annotator labels pairs using a pool of reward models and may learn from how
training on its labels went. The trainer, the replay and the gateway know no
strategy by name: they call :meth:`Annotator.annotate`, and later
:meth:`Annotator.observe`. A strategy that learns nothing inherits
:class:`Stateless` and writes one method. ``rewardrouter.testing.check_annotator``
says whether one keeps the contract.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import Label, PreferencePair
from rewardrouter.state import State
from rewardrouter.verdicts import Verdict

DecisionId: TypeAlias = str
"""Joins a choice with its later outcome."""


@dataclasses.dataclass(frozen=True, slots=True)
class StepContext:
    """Where in training the pairs come from.

    ``batch_id`` names one training step's pairs however calls are chunked;
    ``prompt_embeddings`` are the policy's, ``float32 [B, d_policy]``, for
    strategies that route on prompts (LASER).
    """

    batch_id: str
    step: int = 0
    prompt_embeddings: npt.NDArray[np.float32] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Annotation:
    """The label of one pair and how it came about.

    ``label`` is ``None`` where no RM gave one; ``reason`` then says why, and the
    pair must be dropped and counted. ``rms`` are the RMs called, in order;
    ``rm`` is the one whose answer the label is, ``None`` for an ensemble.
    ``weight`` in [0, 1] weighs the pair's loss.
    """

    decision_id: DecisionId
    pair_id: str
    label: Label | None
    rms: tuple[str, ...]
    rm: str | None = None
    weight: float = 1.0
    verdicts: tuple[Verdict, ...] = ()
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.label is None) != (self.reason is not None):
            raise ValueError(f"annotation of {self.pair_id}: give a reason exactly where there is no label")


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How training on one annotated pair went.

    ``loss`` is the pair's unweighted loss under its label, ``swapped_loss`` under
    the opposite label, ``margin`` the implicit reward margin of the label's
    winner, all in nats (paper Eq. 1).
    """

    loss: float
    swapped_loss: float
    margin: float


@runtime_checkable
class Annotator(Protocol):
    """What labels pairs, and learns from how training went."""

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return one annotation per pair, in the order of ``pairs``."""

    def observe(self, outcomes: Mapping[DecisionId, Outcome]) -> None:
        """Learn from outcomes; they may come late, in part, or never."""

    def state_dict(self) -> State:
        """Return all that changes while the annotator works."""

    def load_state_dict(self, state: State) -> None:
        """Restore what :meth:`state_dict` returned; raise ``CheckpointError`` where it does not fit."""


class KeepsNoState:
    """The part of an annotator, or of a reward, that has nothing to remember."""

    def state_dict(self) -> State:
        """Return the empty state."""
        return State()

    def load_state_dict(self, state: State) -> None:
        """Accept the empty state.

        Raises
        ------
        CheckpointError
            If there is anything in it: it belongs to another one.
        """
        if found := [*state.arrays, *state.metadata]:
            raise CheckpointError(f"{type(self).__name__} keeps no state, but was given {', '.join(found)}")


class Stateless(KeepsNoState):
    """The part of an annotator that learns nothing."""

    def observe(self, outcomes: Mapping[DecisionId, Outcome]) -> None:
        """Ignore the outcomes: this strategy does not learn."""


def decision_id(pair: PreferencePair, step: StepContext) -> DecisionId:
    """Return the id of the decision on one pair of one step."""
    return f"{step.batch_id}/{pair.id}"
