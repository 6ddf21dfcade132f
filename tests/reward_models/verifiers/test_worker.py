"""What a worker process allows itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIMITED = """
from rewardrouter.reward_models.verifiers.worker import _limit_memory
_limit_memory(64 << 20)
bytearray(16 << 20)
try:
    bytearray(256 << 20)
except MemoryError:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="how much is held is read from /proc")
def test_more_memory_than_allowed_is_refused() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
