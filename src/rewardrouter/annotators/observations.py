"""What was seen of an RM on one pair beside the policy's loss; made and explained in ``annotators.observing``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["loss", "margin", "gold", "probe"]
KINDS: tuple[Kind, ...] = ("loss", "margin", "gold", "probe")


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """What one kind says of one RM on one pair: ``value`` z, and the ``claim`` in [0, 1] behind it.

    ``weight`` is how many observations it stands for, ``precision`` that of its noise, relative to its kind's.
    """

    kind: Kind
    rm: str
    value: float
    claim: float
    weight: float = 1.0
    precision: float = 1.0

    def as_json(self) -> list[Any]:
        """Return it as JSON, to the last bit."""
        numbers = (self.value, self.claim, self.weight, self.precision)
        return [self.kind, self.rm, *(number.hex() for number in numbers)]

    @classmethod
    def from_json(cls, given: Sequence[Any]) -> Observation:
        """Return what :meth:`as_json` gave; raise ``ValueError`` or ``TypeError`` where it is broken."""
        kind, rm, value, claim, weight, precision = given
        if kind not in KINDS:
            raise ValueError(f"no kind {kind!r}")
        numbers = (float.fromhex(number) for number in (value, claim, weight, precision))
        return cls(kind, rm, *numbers)
