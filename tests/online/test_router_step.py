"""``benchmarks/router_step.py`` at a small size: its output has the promised form, and its rivals agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_prints_one_json_object():
    pytest.importorskip("mabwiser", reason="the extra `bench` is not installed")
    options = ["--dimension", "24", "--observations", "0,200", "--repeats", "2", "--skip-grid", "--json", "-"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "router_step.py", *options],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    figures = json.loads(done.stdout)
    for name in ("step_ms", "peak_mib", "ratio_mabwiser_lints", "ratio_naive"):
        assert figures[name] > 0
    assert [entry["observations"] for entry in figures["levels"]] == [0, 200]
    for entry in figures["levels"]:
        assert entry["disagreement"] < 1e-10
        assert figures["ratio_naive"] <= 1.001 * entry["naive_ms"] / entry["step_ms"]
    assert figures["grid"] == []
