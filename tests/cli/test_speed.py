"""``rewardrouter speed`` without models: the cluster of the example, and the user's mistakes."""

from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path

from commands import REPOSITORY, done, refused

from rewardrouter.config.speed import SpeedConfig

EXAMPLE = REPOSITORY / "examples" / "paper" / "figure2.yaml"


def test_a_cluster_is_simulated_and_reported(tmp_path: Path) -> None:
    out = tmp_path / "run"
    ended = done("speed", "--config", EXAMPLE, "--out", out, "--pool_sizes=[4, 8]")
    assert "Simulated, not measured: Reckoned" in ended.out
    assert "router+cascade@1.35" in ended.out
    content = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert content["kind"] == "efficiency"
    assert (content["pools"], content["check"]) == ([], None)
    assert [pool["size"] for pool in content["cluster"]["pools"]] == [4, 8]
    assert done("report", out).out == f"Report: {out / 'report.html'}\n"
    assert "Simulated, not measured" in (out / "report.html").read_text(encoding="utf-8")


def test_the_help_shows_main_settings_with_their_defaults() -> None:
    shown = " ".join(done("speed", "--help").out.split())
    defaults = SpeedConfig()
    for name in (
        "pool_sizes",
        "strategies",
        "prompts_per_step",
        "measure.rounds",
        "measure.steps",
        "tiny.rm_widths",
    ):
        value = attrgetter(name)(defaults)
        text = f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
        assert f"{name} {text} " in shown
    for name in ("given", "cluster"):
        assert f" {name} " in shown
        assert name in SpeedConfig.model_fields
    assert (REPOSITORY / "docs" / "howto" / "speed.md").exists()


def test_mistakes_take_one_line(tmp_path: Path) -> None:
    line = refused("speed", "--out", tmp_path / "run", "--pool_size=[4]")
    assert line.startswith("pool_size: unknown key. Did you mean pool_sizes?")
    line = refused("speed", "--config", EXAMPLE, "--out", tmp_path / "run", "--strategies=[light-advantage]")
    assert line.startswith("strategy light-advantage: its calls cannot be simulated")
    assert not (tmp_path / "run" / "config.yaml").exists()
    assert "strategy nope: unknown." in refused("speed", "--out", tmp_path / "run", "--strategies=[nope]")
    assert not (tmp_path / "run" / "models").exists()
    (tmp_path / "file").touch()
    assert "is a file" in refused("speed", "--config", EXAMPLE, "--out", tmp_path / "file")
