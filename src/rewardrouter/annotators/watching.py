"""Watching whether the pairs to label still look like those that the router was fitted to.

The test is :mod:`rewardrouter.online.shift`'s; here it meets pairs, which are remembered
(:mod:`rewardrouter.annotators.seen`). It reads them in two ways: by pairs, each the first time that it comes, and by
groups, where the first pair of a group (a prompt) is the only one that ever counts, whenever the others come. The
lesser evidence is the one that counts. So what it says follows from the pairs and their order, however they were cut
into calls, and a prompt that comes again is no new witness.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rewardrouter.annotators.seen import Seen
from rewardrouter.online.arrays import Floats
from rewardrouter.online.shift import ContextReference, ShiftTest
from rewardrouter.pairs import PreferencePair, digest
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
    were labelled under its eyes, of ``groups`` groups that it follows; ``fired_at`` is the number of the pair, counted
    from 1, at which it first fired.
    """

    evidence: float
    threshold: float
    p: float
    fired: bool
    pairs: int
    groups: int
    fired_at: int | None


class ShiftWatch:
    """The running test of one annotator."""

    def __init__(self, reference: ContextReference) -> None:
        self._by_pairs, self._by_groups = ShiftTest(reference), ShiftTest(reference.by_groups())
        self._seen_pairs, self._seen_groups = Seen(), Seen()
        self._most = 0.0
        self._pairs = 0
        self._fired_at: int | None = None
        self._fired_in = ""

    @classmethod
    def of(cls, source: object) -> ShiftWatch | None:
        """Return the watch of a source of contexts; ``None`` where it knows nothing of the fitting pairs."""
        reference = source.reference if isinstance(source, HasReference) else None
        return None if reference is None else cls(reference)

    @property
    def evidence(self) -> ShiftEvidence:
        """What the test says now."""
        tens = math.log(10.0)
        return ShiftEvidence(
            evidence=self._log_evidence / tens,
            threshold=self._by_groups.threshold / tens,
            p=min(1.0, math.exp(-self._most)),
            fired=self._fired_at is not None,
            pairs=self._pairs,
            groups=self._by_groups.seen,
            fired_at=self._fired_at,
        )

    @property
    def _log_evidence(self) -> float:
        return min(self._by_pairs.log_evidence, self._by_groups.log_evidence)

    def see(self, pairs: Sequence[PreferencePair], contexts: Floats, batch_id: str) -> None:
        """Take in the contexts ``[B, d]`` of pairs of one batch."""
        for pair, context in zip(pairs, contexts, strict=True):
            self._pairs += 1
            # Exchanged responses make the same context.
            if self._seen_pairs.is_new(pair.prompt, *sorted(map(digest, (pair.response_a, pair.response_b)))):
                self._by_pairs.add(context[None])
            if self._seen_groups.is_new(pair.group):
                self._by_groups.add(context[None])
            self._most = max(self._most, self._log_evidence)
            if self._fired_at is None and self._most >= self._by_groups.threshold:
                self._fired_at, self._fired_in = self._pairs, batch_id

    def fired_before(self, batch_id: str) -> bool:
        """Tell whether it has fired in another batch than this one: what follows from that begins with a batch."""
        return self._fired_at is not None and self._fired_in != batch_id

    def state_dict(self) -> State:
        """Return the state of both readings, what they saw, and where the test fired."""
        own = {
            "pairs": self._pairs,
            "most": self._most,
            "fired_at": self._fired_at or 0,
            "fired_in": self._fired_in,
        }
        return State.joined(own, **{name: part.state_dict() for name, part in self._parts().items()})

    def load_state_dict(self, state: State) -> None:
        """Go on where the state was taken.

        Raises
        ------
        CheckpointError
            If it is broken, or of other fitting pairs.
        """
        pairs, most = state.value("pairs", int), state.value("most", float)
        fired_at, fired_in = state.value("fired_at", int), state.value("fired_in", str)
        for name, part in self._parts().items():
            part.load_state_dict(state.part(name))
        self._pairs, self._most = pairs, most
        self._fired_at, self._fired_in = fired_at or None, fired_in

    def _parts(self) -> dict[str, ShiftTest | Seen]:
        return {
            "by_pairs": self._by_pairs,
            "by_groups": self._by_groups,
            "seen_pairs": self._seen_pairs,
            "seen_groups": self._seen_groups,
        }
