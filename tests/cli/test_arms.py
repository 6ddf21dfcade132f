"""``rewardrouter arms``: list, add and remove, in place and elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from commands import done, refused


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
