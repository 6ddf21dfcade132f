"""The gateway's benchmark runs, and its JSON holds what the closing figures are read from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gateway.py"

pytestmark = pytest.mark.slow


def test_it_measures_speed_memory_and_what_a_kill_loses():
    words = ["--requests", "64", "--soak", "3", "--kills", "2", "--json", "-"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, SCRIPT, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["clients"].keys() == {"1", "16", "64"}
    for row in found["clients"].values():
        for figures in row.values():
            assert 0 < figures["p50_ms"] <= figures["p99_ms"]
            assert figures["requests_per_s"] > 0
    assert found["soak"]["requests"] > 0
    assert found["kills"]["lost"] == 0
    assert found["kills"]["acknowledged"] > 0
