"""What has come before, in bounded memory, and without ever taking anything for new twice.

A digest of 8 bytes is kept of each thing. When there are more than MOST, only those whose digest ends in a 0 bit are
followed from then on, and the digests of the others are dropped; when those are too many, the ones of two 0 bits; and
so on. Which ones those are has nothing to do with what they are, and what is dropped stays so.
"""

from __future__ import annotations

import numpy as np

from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import Text, digest
from rewardrouter.state import State

MOST = 65_536
"""Digests kept: half a MiB in a saved state, some 6 MB in memory."""


class Seen:
    """Things that came, each told by its texts."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._zeros = 0
        self._digests: set[int] = set()

    def is_new(self, *texts: Text) -> bool:
        """Remember a thing, and tell whether it is followed and came for the first time."""
        found = int(digest(*texts), 16)
        if not self._follows(found) or found in self._digests:
            return False
        self._digests.add(found)
        while len(self._digests) > self._most:
            self._zeros += 1
            self._digests = {one for one in self._digests if self._follows(one)}
        return True

    def _follows(self, one: int) -> bool:
        return not one & ((1 << self._zeros) - 1)

    def state_dict(self) -> State:
        """Return the digests, ``int64``, and how many 0 bits they end in."""
        digests = np.array(sorted(self._digests), np.uint64).view(np.int64)
        return State({"digests": digests}, {"zeros": self._zeros})

    def load_state_dict(self, state: State) -> None:
        """Go on where the state was taken.

        Raises
        ------
        CheckpointError
            If it is broken.
        """
        digests = state.array("digests", (None,), np.int64).view(np.uint64)
        zeros = state.value("zeros", int)
        if not 0 <= zeros < 64 or (digests & np.uint64((1 << zeros) - 1)).any():
            raise CheckpointError(
                f"state: digests of what was seen should end in {zeros} zero bits, but do not"
            )
        self._zeros, self._digests = zeros, set(digests.tolist())
