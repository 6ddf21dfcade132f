"""Random numbers that belong to what they are for, not to a position in a stream.

Who draws names the thing: the seed, the step, the prompt, the response. The numbers follow from that name alone, so
that they are the same whatever else is in the batch, on however many processes, and after a restart.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np

_SEED_BITS = 62
"""A vLLM server takes signed integers of 64 bits, and adds the response's number to them."""


def keyed_generator(*key: int | str) -> np.random.Generator:
    """Return the generator of a key: Philox, keyed by 128 bits of the key's SHA-256."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(key)[:16], "little")))


def keyed_seed(*key: int | str) -> int:
    """Return the seed of a key, for who draws elsewhere: an integer from 0 to 2^62 - 1."""
    return int.from_bytes(_digest(key)[:8], "little") >> (64 - _SEED_BITS)


def _digest(key: tuple[int | str, ...]) -> bytes:
    # JSON keeps the parts apart, and 1 from "1".
    return hashlib.sha256(json.dumps(key).encode()).digest()
