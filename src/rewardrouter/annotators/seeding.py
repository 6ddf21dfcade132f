"""Random numbers that belong to a pair, not to a position in a stream."""

from __future__ import annotations

import hashlib

import numpy as np

from rewardrouter.annotators.base import StepContext
from rewardrouter.pairs import PreferencePair


def pair_generator(seed: int, pair: PreferencePair, step: StepContext) -> np.random.Generator:
    """Return the generator of one pair in one step: the same whatever else is in the batch."""
    key = hashlib.sha256(f"{seed}\0{step.step}\0{pair.id}".encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng(int.from_bytes(key[:8], "little"))
