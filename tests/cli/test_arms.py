"""``rewardrouter arms``: list, add and remove, in place and elsewhere."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
from commands import done, refused

from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.errors import ConfigError
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router import BayesianRouter
from rewardrouter.simulation.calibrated import measure_calibration
from rewardrouter.simulation.strategies import strategies, strategy


def listed(router: Path) -> dict[str, dict[str, object]]:
    found = json.loads(done("arms", "list", "--router", router, "--json", "-").out)
    return {arm["name"]: arm for arm in found["arms"]}


def test_one_leaves_and_comes_again_with_its_verdicts(router: Path, quickstart: Path, tmp_path: Path) -> None:
    before = listed(router)
    smaller, whole = tmp_path / "smaller", tmp_path / "whole"
    done("arms", "remove", "courtesy", "--router", router, "--out", smaller)
    assert list(listed(smaller)) == [name for name in before if name != "courtesy"]
    verdicts = quickstart / "verdicts.parquet"
    said = done("arms", "add", "courtesy", "--router", smaller, "--verdicts", verdicts, "--out", whole).out
    assert "added with 199 labelled pairs, 0 of them new to the router" in said
    arm = listed(whole)["courtesy"]
    assert {**arm, "joined": None} == {**before["courtesy"], "joined": None}
    assert listed(router) == before


def test_labelled_pairs_that_are_new_to_the_router_calibrate_it(
    router: Path, quickstart: Path, tmp_path: Path
) -> None:
    smaller, whole = tmp_path / "smaller", tmp_path / "whole"
    done("arms", "remove", "courtesy", "--router", router, "--out", smaller)
    words = ("--router", smaller, "--verdicts", quickstart / "held_out.parquet", "--out", whole)
    said = done("arms", "add", "courtesy", *words).out
    (n,) = re.findall(r"added with (\d+) labelled pairs, \1 of them new to the router", said)
    card = (whole / "README.md").read_text(encoding="utf-8")
    assert f"| courtesy | {n} | " in card
    assert f"calibrated on {240 + int(n):,} pairs" in card


def test_in_place_and_without_verdicts(router: Path, tmp_path: Path) -> None:
    copy = tmp_path / "router"
    shutil.copytree(router, copy)
    assert "mean of the others" in done("arms", "add", "new", "--router", copy).out
    assert listed(copy)["new"]["accuracy"] is None
    assert "new" in done("arms", "list", "--router", copy).out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["router"]


def test_where_budgets_rest_on_little_it_says_so(router: Path, quickstart: Path, tmp_path: Path) -> None:
    """The pool of the fit leaves, for arms without verdicts: nothing is left to plan on, and the rest works."""
    copy = tmp_path / "router"
    shutil.copytree(router, copy)
    for name in ("new", "newer"):
        assert "budget" not in done("arms", "add", name, "--router", copy).err
    for name in ("calculator", "courtesy"):
        assert "budget" not in done("arms", "remove", name, "--router", copy).err
    said = done("arms", "remove", "echo", "--router", copy).err
    assert "of no held-out pair more than 1 of the 3 reward models have verdicts" in said
    assert "no budget can be planned" in done("arms", "remove", "brevity", "--router", copy).err
    table = load_verdicts(str(quickstart / "held_out.parquet")).table
    two = dataclasses.replace(table.pool(table.rms[:2]), rms=("new", "newer"))
    bare = BayesianRouter.from_pretrained(copy)
    pool = recorded_pool(two)
    assert not [name for name in strategies(bare, pool, seed=0) if "cascade" in name]
    assert measure_calibration(two, bare).curve == []
    with pytest.raises(ConfigError, match="none of its held-out pairs"):
        strategy("router+cascade@1.35", bare, pool, seed=0).prepare()


def test_mistakes_are_one_line(router: Path, quickstart: Path, tmp_path: Path) -> None:
    verdicts = quickstart / "verdicts.parquet"
    cases = [
        (["add", "echo"], "echo is an arm already"),
        (["add", ""], "NAME '': a reward model's name is not empty"),
        (["add", " new"], "NAME ' new': a reward model's name is not empty and has no space around it"),
        (["add", "new", "--verdicts", verdicts], "no verdicts of new"),
        (["remove", "ecko"], "Did you mean echo?"),
        (["add", "new", "--out", quickstart], "exists already"),
        (["list", "--json", router / "arms.json"], "would write over"),
    ]
    for words, said in cases:
        assert said in refused("arms", *words, "--router", router)
    assert "not a router" in refused("arms", "list", "--router", tmp_path)
