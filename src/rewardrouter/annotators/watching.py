"""Watching whether the pairs to label still look like those that the router was fitted to.

The test is :mod:`rewardrouter.online.shift`'s; here it meets pairs. Pairs of one group (one prompt) are no independent
witnesses, so of each group in a call the first is shown to it. A prompt that comes again in a later batch counts anew.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rewardrouter.online.arrays import Floats
from rewardrouter.online.shift import ContextReference, ShiftTest
from rewardrouter.pairs import PreferencePair
from rewardrouter.state import State


@runtime_checkable
class HasReference(Protocol):
    """A router, or a source of its contexts, that remembers the contexts of its fitting pairs."""

    @property
    def reference(self) -> ContextReference | None:
        """What they looked like; ``None`` where that was not kept."""


@dataclasses.dataclass(frozen=True, slots=True)
class ShiftEvidence:
    """What the test says.

    ``evidence`` is the power of ten that it has reached now (the base-10 logarithm of its e-value), ``threshold`` the
    one at which it fires; ``p`` is a p-value that holds whenever one looks; ``fired`` whether it ever has. ``pairs``
    were labelled under its eyes; ``fired_at`` is how many of them when it first fired, those of that call included.
    """

    evidence: float
    threshold: float
    p: float
    fired: bool
    pairs: int
    fired_at: int | None


class ShiftWatch:
    """The running test of one annotator."""

    def __init__(self, reference: ContextReference) -> None:
        self._test = ShiftTest(reference)
        self._pairs = 0
        self._fired_at: int | None = None

    @classmethod
    def of(cls, source: object) -> ShiftWatch | None:
        """Return the watch of a source of contexts; ``None`` where it knows nothing of the fitting pairs."""
        reference = source.reference if isinstance(source, HasReference) else None
        return None if reference is None else cls(reference)

    @property
    def evidence(self) -> ShiftEvidence:
        """What the test says now."""
        test = self._test
        tens = math.log(10.0)
        return ShiftEvidence(
            evidence=test.log_evidence / tens,
            threshold=test.threshold / tens,
            p=min(1.0, math.exp(-test.most)),
            fired=test.fired,
            pairs=self._pairs,
            fired_at=self._fired_at,
        )

    def see(self, pairs: Sequence[PreferencePair], contexts: Floats) -> None:
        """Take in the contexts ``[B, d]`` of one call's pairs."""
        firsts = {pair.group: row for row, pair in reversed(list(enumerate(pairs)))}
        had_fired = self._test.fired
        self._test.add(contexts[sorted(firsts.values())])
        self._pairs += len(pairs)
        if self._test.fired and not had_fired:
            self._fired_at = self._pairs

    def state_dict(self) -> State:
        """Return the test's state, and how many pairs it saw."""
        test = self._test.state_dict()
        return State(test.arrays, {**test.metadata, "pairs": self._pairs, "fired_at": self._fired_at or 0})

    def load_state_dict(self, state: State) -> None:
        """Go on where the state was taken.

        Raises
        ------
        CheckpointError
            If it is broken, or of other fitting pairs.
        """
        pairs, fired_at = state.value("pairs", int), state.value("fired_at", int)
        self._test.load_state_dict(state)
        self._pairs, self._fired_at = pairs, fired_at or None
