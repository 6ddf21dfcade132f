"""``rewardrouter explain``: one pair, found by file or by id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import done, refused, start

from rewardrouter.datasets.pairs import load_pairs
from rewardrouter.router import BayesianRouter

RMS = {"calculator", "courtesy", "brevity", "echo"}


@pytest.fixture(scope="module")
def rows(quickstart: Path) -> list[dict[str, Any]]:
    lines = (quickstart / "new_pairs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def explained(router: Path, *words: str | Path) -> dict[str, Any]:
    return json.loads(done("explain", "--router", router, *words, "--json", "-").out)


def rounded(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out digits that depend on the order of sums."""
    return json.loads(json.dumps(found), parse_float=lambda digits: round(float(digits), 9))


class TestFound:
    """Where the pair comes from."""

    @pytest.mark.parametrize("form", ["json", "one.json", "jsonl", "parquet"])
    def test_a_file_and_an_id_explain_the_same(
        self, form: str, router: Path, quickstart: Path, rows: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        file = tmp_path / f"one.{form}"
        if form == "parquet":
            pd = pytest.importorskip("pandas")
            pd.DataFrame([rows[3]]).to_parquet(file)
        else:
            row = json.dumps(
                [rows[3]] if form == "json" else rows[3], indent=2 if form == "one.json" else None
            )
            file.write_text(f"{row}\n", encoding="utf-8")
        by_id = explained(router, "--pairs", quickstart / "new_pairs.jsonl", "--pair", rows[3]["id"])
        assert explained(router, "--pair", file) == by_id

    def test_an_unknown_id_is_refused_with_the_one_that_may_be_meant(
        self, router: Path, quickstart: Path, rows: list[dict[str, Any]]
    ) -> None:
        source, name = quickstart / "new_pairs.jsonl", rows[0]["id"]
        line = refused("explain", "--router", router, "--pairs", source, "--pair", f"{name}0")
        assert line == f"{source}: no usable pair has the id '{name}0'. Did you mean {name}?"

    def test_an_id_alone_says_nothing(self, router: Path) -> None:
        line = refused("explain", "--router", router, "--pair", "arithmetic-1-1")
        assert line == (
            "--pair arithmetic-1-1: no such file; if it is an id, say with --pairs where to look it up"
        )

    def test_a_file_of_many_pairs_needs_an_id(self, router: Path, quickstart: Path) -> None:
        source = quickstart / "new_pairs.jsonl"
        line = refused("explain", "--router", router, "--pair", source)
        assert line == f"{source}: holds 60 usable pairs; choose one: --pairs {source} --pair ID"

    def test_a_mistake_is_found_before_torch_is_loaded(self, router: Path, quickstart: Path) -> None:
        code = (
            "import sys; from rewardrouter.cli.main import main;"
            "assert main(sys.argv[1:]) == 2; assert 'torch' not in sys.modules"
        )
        process = start(
            "explain", "--router", router, "--pairs", quickstart / "new_pairs.jsonl", "--pair", "x", code=code
        )
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err


class TestExplained:
    """What is said of it."""

    def test_the_schema(self, router: Path, quickstart: Path, rows: list[dict[str, Any]]) -> None:
        found = explained(router, "--pairs", quickstart / "new_pairs.jsonl", "--pair", rows[0]["id"])
        whole = {"pair_id", "domain", "arms", "lead", "spread", "reasons", "evidence", "notes"}
        assert found.keys() == whole
        assert found["evidence"].keys() == {"held_out", "sure", "arms", "calls"}
        assert (found["pair_id"], found["domain"]) == (rows[0]["id"], rows[0]["domain"])
        assert {arm["name"] for arm in found["arms"]} == RMS
        for arm in found["arms"]:
            assert arm.keys() == {"name", "score", "correctness", "accuracy", "domain_accuracy"}
            assert 0 <= arm["correctness"] <= 1

    def test_reasons_add_up_to_the_lead(
        self, router: Path, quickstart: Path, rows: list[dict[str, Any]]
    ) -> None:
        for row in rows[::7]:
            found = explained(router, "--pairs", quickstart / "new_pairs.jsonl", "--pair", row["id"])
            scores = [arm["score"] for arm in found["arms"]]
            assert scores == sorted(scores, reverse=True)
            assert found["lead"] == pytest.approx(scores[0] - scores[1], abs=1e-6)
            assert sum(found["reasons"].values()) == pytest.approx(found["lead"], abs=1e-4)
            assert "better overall" in found["reasons"]

    def test_it_explains_what_the_router_does(
        self, router: Path, quickstart: Path, rows: list[dict[str, Any]]
    ) -> None:
        loaded = load_pairs(quickstart / "new_pairs.jsonl").pairs[:5]
        ranks = BayesianRouter.from_pretrained(router).rank(loaded)
        for pair, rank in zip(loaded, ranks, strict=True):
            found = explained(router, "--pairs", quickstart / "new_pairs.jsonl", "--pair", pair.id)
            assert tuple(arm["name"] for arm in found["arms"]) == rank

    def test_exchanged_responses_are_explained_the_same(
        self, router: Path, rows: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        row = rows[0]
        turned = {**row, "response_a": row["response_b"], "response_b": row["response_a"]}
        for name, content in (("one", row), ("other", turned)):
            (tmp_path / f"{name}.json").write_text(json.dumps([content]), encoding="utf-8")
        one, other = (explained(router, "--pair", tmp_path / f"{name}.json") for name in ("one", "other"))
        assert rounded(one) == rounded(other)

    def test_the_text_shows_the_figures(
        self, router: Path, quickstart: Path, rows: list[dict[str, Any]]
    ) -> None:
        words = ("--pairs", quickstart / "new_pairs.jsonl", "--pair", rows[0]["id"])
        found, text = explained(router, *words), done("explain", "--router", router, *words).out
        lines = text.splitlines()
        assert lines[0] == f"Pair {rows[0]['id']} ({rows[0]['domain']}) goes to {found['arms'][0]['name']}"
        for arm, line in zip(found["arms"], lines[3:7], strict=True):
            assert line.split()[:3] == [arm["name"], f"{arm['score']:+z.2f}", f"{arm['correctness']:.3f}"]
        assert f"Lead over {found['arms'][1]['name']}: {found['lead']:.2f}" in text
        for name, part in found["reasons"].items():
            assert f"{part:+z6.2f}  {name}" in text

    def test_an_unknown_domain_and_a_cut_text_are_noted(
        self, router: Path, rows: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        row = {**rows[0], "domain": "poetry", "response_a": "word " * 500}
        (tmp_path / "one.json").write_text(json.dumps([row]), encoding="utf-8")
        notes = explained(router, "--pair", tmp_path / "one.json")["notes"]
        assert "the domain 'poetry' was not in the training data" in notes
        assert any("response cut in 1" in note for note in notes)

    def test_json_goes_to_a_file_beside_the_text(
        self, router: Path, quickstart: Path, rows: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        words = ("--pairs", quickstart / "new_pairs.jsonl", "--pair", rows[0]["id"])
        ended = done("explain", "--router", router, *words, "--json", tmp_path / "e.json")
        assert ended.out.startswith(f"Pair {rows[0]['id']}")
        assert json.loads((tmp_path / "e.json").read_text(encoding="utf-8")) == explained(router, *words)

    def test_verdicts_beside_the_pair_are_weighed_by_their_margins(
        self, router: Path, quickstart: Path
    ) -> None:
        source = quickstart / "held_out.parquet"
        pair = load_pairs(source).pairs[0]
        words = ("--pairs", source, "--pair", pair.id)
        evidence = explained(router, *words)["evidence"]
        row = pd.read_parquet(source).iloc[0]
        for arm in evidence["arms"]:
            apart = row[f"score_a__{arm['name']}"] - row[f"score_b__{arm['name']}"]
            assert arm["verdict"] == ("A" if apart > 0 else "B" if apart < 0 else "tie")
            assert arm["margin"] == (pytest.approx(abs(apart)) if apart else None)
            assert (arm["calibrated"] is None) == (apart == 0)
        text = done("explain", "--router", router, *words).out
        assert f"Calibrated on {evidence['held_out']:,} held-out pairs" in text
        first = evidence["calls"][0]
        shown = [first["name"], "best", "scored", f"{first['gain']:.3f}", first["verdict"]]
        assert any(line.split()[:5] == shown for line in text.splitlines())

    def test_the_folder_of_collect_holds_verdicts_too(
        self, router: Path, quickstart: Path, rows: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        pairs, pool = quickstart / "new_pairs.jsonl", quickstart / "pool.yaml"
        done("collect", "--pairs", pairs, "--pool", pool, "--out", tmp_path / "collected")
        found = explained(router, "--pairs", tmp_path / "collected", "--pair", rows[0]["id"])
        assert all(arm["verdict"] is not None for arm in found["evidence"]["arms"])

    def test_before_any_verdict_the_first_to_be_asked_is_named(
        self, router: Path, quickstart: Path, rows: list[dict[str, Any]]
    ) -> None:
        words = ("--pairs", quickstart / "new_pairs.jsonl", "--pair", rows[0]["id"])
        lines = done("explain", "--router", router, *words).out.splitlines()
        first = explained(router, *words)["evidence"]["calls"][0]["name"]
        assert lines[-1] == f"A cascade asks {first} first, the best scored"
        assert not any("P(right | margin)" in line for line in lines)
