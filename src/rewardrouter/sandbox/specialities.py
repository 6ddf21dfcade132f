"""What each reward model is trained on.

Every reward model is good at four of the eight kinds of problems, in three of the four manners of answering: each two
of the four groups of kinds meet in one model, and the three models that know a group each lack another manner. So no
model is best at a whole kind, and which is best at a pair depends on how its responses are put. Two have a layer
more than the others.
"""

from __future__ import annotations

import dataclasses

from rewardrouter.sandbox.problems import MANNERS, Manner, Problem, manner_of

_GROUPS = {
    "digits": ("neighbours", "extreme"),
    "order": ("sorting", "filtering"),
    "twos": ("doubling", "opposites"),
    "words": ("numerals", "translation"),
}
"""Kinds that are learnt together."""


@dataclasses.dataclass(frozen=True, slots=True)
class Speciality:
    """A slice of all responses."""

    name: str
    kinds: tuple[str, ...]
    manners: tuple[Manner, ...]
    more_layers: int = 0
    """Layers beyond the policy's."""

    def covers(self, problem: Problem, response: str) -> bool:
        """Tell whether a response is in the slice."""
        return problem.kind.name in self.kinds and manner_of(problem.kind, response) in self.manners


def _speciality(name: str, groups: tuple[str, str], without: Manner, more_layers: int = 0) -> Speciality:
    kinds = tuple(kind for group in groups for kind in _GROUPS[group])
    return Speciality(name, kinds, tuple(manner for manner in MANNERS if manner != without), more_layers)


SPECIALITIES = (
    _speciality("ash", ("digits", "order"), "steps"),
    _speciality("birch", ("twos", "words"), "steps"),
    _speciality("cedar", ("digits", "twos"), "hedged"),
    _speciality("elm", ("order", "words"), "hedged", more_layers=1),
    _speciality("fir", ("digits", "words"), "sentence"),
    _speciality("oak", ("order", "twos"), "sentence", more_layers=1),
)
"""The reward models of the sandbox."""
