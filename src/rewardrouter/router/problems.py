"""The problems a router was fitted to, remembered as digests.

On pairs it was fitted to, a router repeats what it was told. So it remembers whose
answers it knows: of every training pair a digest of the prompt and, where the source
names one, of the group. Another pair with one of them belongs to a known problem,
whatever its responses. Texts cannot be read out of digests, and 50,000 pairs take
less than a megabyte.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.pairs import PreferencePair, as_messages, digest
from rewardrouter.state import State

_DIGESTS = "digests"


@dataclasses.dataclass(frozen=True)
class Problems:
    """Problems by the 64-bit digests (signed integers) of their prompts and of their groups' names."""

    digests: frozenset[int]

    @classmethod
    def of(cls, pairs: Sequence[PreferencePair]) -> Problems:
        """Return the problems of some pairs."""
        return cls(frozenset(number for pair in pairs for number in _digests(pair)))

    def knows(self, pairs: Sequence[PreferencePair]) -> npt.NDArray[np.bool_]:
        """Return ``bool [P]``: whether a pair's prompt or, where its source names one, its group is among these."""
        return np.array(
            [any(number in self.digests for number in _digests(pair)) for pair in pairs], np.bool_
        )

    def joined(self, pairs: Sequence[PreferencePair]) -> Problems:
        """Return these problems and those of some more pairs."""
        return Problems(self.digests | Problems.of(pairs).digests)

    @property
    def identity(self) -> str:
        """Names exactly these problems."""
        return digest(",".join(map(str, sorted(self.digests))))

    def state(self) -> State:
        """Return the digests as an array, ``int64 [K]``, ascending."""
        return State({_DIGESTS: np.array(sorted(self.digests), np.int64)})

    @classmethod
    def from_state(cls, state: State) -> Problems:
        """Return the problems that :meth:`state` gave.

        Raises
        ------
        CheckpointError
            If it is the state of something else.
        """
        return cls(frozenset(state.array(_DIGESTS, (None,), np.int64).tolist()))


def known_lines(known: npt.NDArray[np.bool_]) -> list[str]:
    """Return what to tell of pairs of which ``known [P]`` belong to problems seen in fitting: one line or none."""
    if not known.any():
        return []
    return [
        f"{known.sum():,} of {len(known):,} pairs ({known.mean():.1%}) belong to problems this router was fitted"
        " to (same prompt or group): their accuracy says nothing about new pairs"
    ]


def _digests(pair: PreferencePair) -> Iterator[int]:
    yield as_integer(digest(as_messages(pair.prompt, "user")))  # a prompt is the same as text and as chat
    group = pair.metadata.get("group")
    if group is not None:
        yield as_integer(digest("group", str(group)))  # two texts: never the digest of a prompt


def as_integer(hexadecimal: str) -> int:
    """Return a digest of 16 digits as a signed integer of 64 bits."""
    return int.from_bytes(bytes.fromhex(hexadecimal), "big", signed=True)
