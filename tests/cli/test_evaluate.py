"""``rewardrouter evaluate``: every figure is recomputed here from the annotations and the verdicts alone."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import done, refused, run, start

RMS = ["calculator", "courtesy", "brevity", "echo"]
CASCADES = [f"router+cascade@{budget}" for budget in (1.1, 1.35, 1.6, 2.0)]
STRATEGIES = [
    "router", *CASCADES, *(f"single/{rm}" for rm in RMS), "lookup-by-domain", "majority", "uwo", "mean-score",
    "lower-confidence-bound", "random", "oracle",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Found:
    """One run of ``evaluate``: figures, a row per strategy and pair (no label as "none"), printed table."""

    figures: dict[str, Any]
    annotations: pd.DataFrame
    text: str

    def labels(self, strategy: str) -> pd.Series:
        """The labels of one strategy, by pair id."""
        return self.annotations[self.annotations["strategy"] == strategy].set_index("id")["label"]


def evaluated(router: Path, verdicts: Path, folder: Path, *words: str) -> Found:
    figures, annotations = folder / "figures.json", folder / "annotations.jsonl"
    ended = done(
        "evaluate", "--router", router, "--verdicts", verdicts,
        "--json", figures, "--annotations", annotations, *words,
    )  # fmt: skip
    rows = [json.loads(line) for line in annotations.read_text(encoding="utf-8").splitlines()]
    assert {row["label"] for row in rows} <= {"A", "B", None}
    rows = [{**row, "label": row["label"] or "none"} for row in rows]
    return Found(json.loads(figures.read_text(encoding="utf-8")), pd.DataFrame(rows), ended.out)


@pytest.fixture(scope="module")
def found(router: Path, quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return evaluated(router, quickstart / "held_out.parquet", tmp_path_factory.mktemp("evaluate"))


@pytest.fixture(scope="module")
def table(quickstart: Path) -> pd.DataFrame:
    """The verdicts, by pair id, with a column per RM: A, B or None for a tie."""
    verdicts = pd.read_parquet(quickstart / "held_out.parquet").set_index("id")
    for rm in RMS:
        a, b = verdicts[f"score_a__{rm}"], verdicts[f"score_b__{rm}"]
        verdicts[rm] = np.select([a > b, b > a], ["A", "B"], default="tie")
    verdicts["kept"] = verdicts[RMS].eq(verdicts["label"], axis=0).any(axis=1)
    return verdicts


class TestFigures:
    """What is written, and that it is right."""

    def test_the_schema(self, found: Found) -> None:
        figures = found.figures
        assert {"n_pairs", "n_kept", "seeds", "strategies"} <= figures.keys()
        assert figures["seeds"] == [0]
        assert list(figures["strategies"]) == STRATEGIES
        needed = {"accuracy", "accuracy_std", "accuracy_all", "coverage", "calls_per_pair", "by_domain"}
        for result in figures["strategies"].values():
            assert needed <= result.keys()

    def test_there_is_a_row_per_strategy_and_pair(self, found: Found, table: pd.DataFrame) -> None:
        assert list(found.annotations.columns) == ["strategy", "id", "label", "rms"]
        for strategy in STRATEGIES:
            assert found.labels(strategy).index.tolist() == table.index.tolist()
        assert set(found.annotations["label"]) == {"A", "B", "none"}

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_every_figure_follows_from_the_rows(
        self, strategy: str, found: Found, table: pd.DataFrame
    ) -> None:
        rows = found.annotations[found.annotations["strategy"] == strategy].set_index("id")
        right = (rows["label"] == table["label"]).astype(float)
        kept = table["kept"]
        figures = found.figures["strategies"][strategy]
        assert (found.figures["n_pairs"], found.figures["n_kept"]) == (len(table), kept.sum()) == (120, 119)
        assert figures["accuracy"] == pytest.approx(right[kept].mean(), abs=1e-12)
        assert figures["accuracy_all"] == pytest.approx(right.mean(), abs=1e-12)
        assert figures["coverage"] == pytest.approx(rows["label"].ne("none").mean(), abs=1e-12)
        assert figures["calls_per_pair"] == pytest.approx(rows["rms"].map(len).mean(), abs=1e-12)
        by_domain = right[kept].groupby(table["domain"][kept]).mean().to_dict()
        assert figures["by_domain"] == pytest.approx(by_domain, abs=1e-12)
        assert figures["calls_by_rm"] == rows["rms"].explode().value_counts().to_dict()
        low, high = figures["accuracy_interval"]
        assert low <= figures["accuracy"] <= high

    def test_differences_are_to_the_router(self, found: Found) -> None:
        figures = found.figures["strategies"]
        assert figures["router"]["difference"] is None
        for name in STRATEGIES[1:]:
            gain = figures[name]["accuracy"] - figures["router"]["accuracy"]
            assert figures[name]["difference"] == pytest.approx(gain, abs=1e-12)
            low, high = figures[name]["difference_interval"]
            assert low <= gain <= high

    def test_the_table_shows_the_figures(self, found: Found) -> None:
        lines = found.text.splitlines()
        assert lines[0] == "120 pairs, 119 of which some reward model gets right"
        for name, result in found.figures["strategies"].items():
            (line,) = (line for line in lines if line.split()[:1] == [name])
            assert f"{result['accuracy']:.3f}" in line
            assert f"{result['coverage']:.1%}" in line

    def test_no_difference_is_a_negative_zero(self, found: Found) -> None:
        assert "+0.000" in found.text
        assert "-0.000" not in found.text

    def test_calibration_is_measured_and_a_report_can_be_made(
        self, router: Path, quickstart: Path, tmp_path: Path
    ) -> None:
        costs = tmp_path / "costs.yaml"
        costs.write_text("".join(f"{rm}: {n + 1}\n" for n, rm in enumerate(RMS)), encoding="utf-8")
        priced = evaluated(router, quickstart / "held_out.parquet", tmp_path, "--costs", str(costs))
        assert any(name.endswith(":unit=cost") for name in priced.figures["strategies"])
        single = priced.figures["strategies"]["single/courtesy"]
        assert single["cost_per_pair"] == pytest.approx(2 * single["calls_per_pair"])
        assert set(priced.figures["calibration"]["rms"]) == set(RMS)
        assert "Calibration error of P(right" in priced.text
        done("report", tmp_path / "figures.json")
        page = (tmp_path / "figures.html").read_text(encoding="utf-8")
        assert "Accuracy by calls per pair" in page
        assert "Accuracy by cost per pair" in page
        assert "Does P(right) come true" in page

    def test_a_missing_or_unknown_cost_is_told(self, router: Path, quickstart: Path, tmp_path: Path) -> None:
        costs = tmp_path / "costs.yaml"
        words = [
            "evaluate",
            "--router",
            router,
            "--verdicts",
            quickstart / "held_out.parquet",
            "--costs",
            costs,
        ]
        costs.write_text("".join(f"{rm}: 1\n" for rm in RMS[1:]), encoding="utf-8")
        assert "no cost of calculator. Add a line: calculator: NUMBER" in refused(*words)
        costs.write_text("".join(f"{rm}: true\n" for rm in RMS), encoding="utf-8")
        assert "calculator: found true, expected a number" in refused(*words)
        costs.write_text("".join(f"{rm}: 1e308\n" for rm in RMS), encoding="utf-8")
        assert "calculator: found 1e+308, expected a value less than" in refused(*words)
        for lines in (["calculater: 1"], [*(f"{rm}: 1" for rm in RMS), "calculater: 1"]):
            costs.write_text("\n".join(lines) + "\n", encoding="utf-8")
            said = refused(*words)
            assert (
                "calculater is no reward model of the router. Did you mean calculator? It has: calc" in said
            )

    def test_the_router_learnt_what_the_set_teaches(self, found: Found) -> None:
        # A toy that was made to be learnt: far above any one reward model, from texts alone.
        accuracy = {name: result["accuracy"] for name, result in found.figures["strategies"].items()}
        assert accuracy["router"] > max(accuracy[f"single/{rm}"] for rm in RMS) + 0.2


class TestBaselines:
    """Baselines against direct computations on the verdicts."""

    @pytest.mark.parametrize("rm", RMS)
    def test_single(self, rm: str, found: Found, table: pd.DataFrame) -> None:
        assert found.labels(f"single/{rm}").replace("none", "tie").tolist() == table[rm].tolist()
        rows = found.annotations[found.annotations["strategy"] == f"single/{rm}"]
        assert rows["rms"].map(tuple).unique().tolist() == [(rm,)]

    def test_majority(self, found: Found, table: pd.DataFrame) -> None:
        lead = table[RMS].eq("A").sum(axis=1) - table[RMS].eq("B").sum(axis=1)
        given, votes = found.labels("majority"), table[RMS].isin(["A", "B"]).any(axis=1)
        decided = lead != 0
        assert given[decided].tolist() == np.where(lead[decided] > 0, "A", "B").tolist()
        assert given[~decided & votes].isin(["A", "B"]).all()  # a coin, but a label
        assert given[~votes].eq("none").all()
        assert given.tolist() == found.labels("uwo").tolist()

    def test_oracle(self, found: Found, table: pd.DataFrame) -> None:
        right = found.labels("oracle") == table["label"]
        assert right.tolist() == table["kept"].tolist()
        assert found.figures["strategies"]["oracle"]["accuracy"] == 1.0

    def test_routing_strategies_fail_over_ties_and_name_all_they_called(
        self, found: Found, table: pd.DataFrame
    ) -> None:
        rows = found.annotations[found.annotations["strategy"].isin(["router", "lookup-by-domain", "random"])]
        failovers = 0
        for row in rows.itertuples():
            *before, last = row.rms
            assert all(table.loc[row.id, rm] == "tie" for rm in before)
            assert table.loc[row.id, last] == row.label.replace("none", "tie")
            assert row.label != "none" or sorted(row.rms) == sorted(RMS)
            failovers += bool(before)
        assert failovers > 20


class TestLaws:
    """What must not matter, and what must."""

    def test_no_strategy_but_the_oracle_sees_the_labels(
        self, found: Found, router: Path, quickstart: Path, tmp_path: Path
    ) -> None:
        verdicts = pd.read_parquet(quickstart / "held_out.parquet")
        verdicts["label"] = verdicts["label"].map({"A": "B", "B": "A"})
        verdicts.to_parquet(tmp_path / "lies.parquet")
        lied = evaluated(router, tmp_path / "lies.parquet", tmp_path)
        for strategy in STRATEGIES[:-1]:
            assert lied.labels(strategy).tolist() == found.labels(strategy).tolist()
        assert lied.labels("oracle").tolist() != found.labels("oracle").tolist()

    def test_exchanged_responses_flip_every_label(
        self, found: Found, router: Path, quickstart: Path, tmp_path: Path
    ) -> None:
        verdicts = pd.read_parquet(quickstart / "held_out.parquet")
        side = re.compile(r"(?<=^score_)[ab](?=__)|(?<=^response_)[ab]$")
        verdicts = verdicts.rename(columns=lambda name: side.sub(lambda m: "ba"["ab".index(m[0])], name))
        verdicts["label"] = verdicts["label"].map({"A": "B", "B": "A"})
        verdicts.to_parquet(tmp_path / "exchanged.parquet")
        turned = evaluated(router, tmp_path / "exchanged.parquet", tmp_path)
        flipped = turned.annotations.assign(label=turned.annotations["label"].replace({"A": "B", "B": "A"}))
        pd.testing.assert_frame_equal(flipped, found.annotations)
        assert turned.figures == found.figures

    def test_the_folder_of_collect_gives_the_same_figures(
        self, found: Found, router: Path, quickstart: Path, tmp_path: Path
    ) -> None:
        wide = pd.read_parquet(quickstart / "held_out.parquet")
        collected = tmp_path / "collected"
        (collected / "verdicts").mkdir(parents=True)
        wide[["id", "prompt", "response_a", "response_b", "label", "domain", "group"]].to_parquet(
            collected / "pairs.parquet"
        )
        for number, rm in enumerate(reversed(RMS)):
            a, b = wide[f"score_a__{rm}"], wide[f"score_b__{rm}"]
            winner = np.select([a > b, b > a], ["A", "B"], default="tie")
            calls = {"pair_id": wide["id"], "rm": rm, "score_a": a, "score_b": b, "winner": winner}
            pd.DataFrame({**calls, "error": None, "seconds": 0.1}).to_parquet(
                collected / "verdicts" / f"part-{number}.parquet"
            )
        same = evaluated(router, collected, tmp_path)
        assert same.figures == found.figures
        pd.testing.assert_frame_equal(same.annotations, found.annotations)

    def test_the_seed_decides_what_is_random_and_nothing_else(
        self, found: Found, router: Path, quickstart: Path, tmp_path: Path
    ) -> None:
        other = evaluated(router, quickstart / "held_out.parquet", tmp_path, "--seed", "1")
        assert other.figures["seeds"] == [1]
        assert other.labels("random").tolist() != found.labels("random").tolist()
        for strategy in set(STRATEGIES) - {"random", "majority", "uwo"}:
            assert other.labels(strategy).tolist() == found.labels(strategy).tolist()


class TestKnownPairs:
    """Pairs that the router was fitted to: their accuracy is memory."""

    WARNING = "belong to problems this router was fitted to"

    def test_other_pairs_are_not_warned_of(self, router: Path, quickstart: Path) -> None:
        ended = done("evaluate", "--router", router, "--verdicts", quickstart / "held_out.parquet")
        assert self.WARNING not in ended.err

    def test_the_pairs_fitted_to_are_counted_on_stderr(self, router: Path, quickstart: Path) -> None:
        ended = done("evaluate", "--router", router, "--verdicts", quickstart / "verdicts.parquet")
        assert (
            "240 of 240 pairs (100.0%) belong to problems this router was fitted to (same prompt or group):"
            " their accuracy says nothing about new pairs\n"
        ) in ended.err
        assert self.WARNING not in ended.out

    def test_some_of_them_by_prompt_or_by_group(self, router: Path, quickstart: Path, tmp_path: Path) -> None:
        verdicts = pd.read_parquet(quickstart / "held_out.parquet")
        fitted = pd.read_parquet(quickstart / "verdicts.parquet")
        before = verdicts["group"].tolist()
        verdicts.loc[0, "prompt"] = fitted.loc[5, "prompt"]
        verdicts.loc[[1, 2], "group"] = fitted.loc[7, "group"]
        assert before[0] not in set(fitted["group"])
        verdicts.to_parquet(tmp_path / "some.parquet")
        ended = done("evaluate", "--router", router, "--verdicts", tmp_path / "some.parquet")
        assert f"3 of 120 pairs (2.5%) {self.WARNING}" in ended.err


def test_json_on_stdout_stands_alone(router: Path, quickstart: Path, tmp_path: Path) -> None:
    asked = [
        "evaluate",
        "--router",
        router,
        "--verdicts",
        quickstart / "held_out.parquet",
        "--no-cache",
        "--json",
    ]
    process = start(*asked, "-")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "encode: " in err
    done(*asked, tmp_path / "figures.json")
    assert json.loads(out) == json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))


class TestMistakes:
    """The user's mistakes: one line, exit code 2."""

    def test_no_router_there(self, quickstart: Path, tmp_path: Path) -> None:
        line = refused("evaluate", "--router", tmp_path, "--verdicts", quickstart / "held_out.parquet")
        assert line.startswith(f"{tmp_path}: not a router: it has no config.json")

    def test_verdicts_without_one_of_the_arms(self, router: Path, quickstart: Path, tmp_path: Path) -> None:
        verdicts = pd.read_parquet(quickstart / "held_out.parquet")
        verdicts = verdicts.rename(columns=lambda name: name.replace("__echo", "__ecco"))
        verdicts.to_parquet(tmp_path / "renamed.parquet")
        line = refused("evaluate", "--router", router, "--verdicts", tmp_path / "renamed.parquet")
        assert "no verdicts of the reward model 'echo'. Did you mean ecco?" in line

    def test_verdicts_without_labels(self, router: Path, quickstart: Path) -> None:
        line = refused("evaluate", "--router", router, "--verdicts", quickstart / "new_verdicts.parquet")
        assert "no column label, which says whether A or B is better; found id, prompt" in line

    def test_a_corrupt_file(self, router: Path, tmp_path: Path) -> None:
        (tmp_path / "bad.parquet").write_bytes(b"PAR1")
        line = refused("evaluate", "--router", router, "--verdicts", tmp_path / "bad.parquet")
        assert line.startswith(f"{tmp_path / 'bad.parquet'}: not a readable parquet file")

    def test_no_pair_that_any_reward_model_gets_right(
        self, router: Path, quickstart: Path, tmp_path: Path
    ) -> None:
        verdicts = pd.read_parquet(quickstart / "held_out.parquet")
        for rm in RMS:
            verdicts[f"score_a__{rm}"] = (verdicts["label"] == "B").astype(float)
            verdicts[f"score_b__{rm}"] = (verdicts["label"] == "A").astype(float)
        verdicts.to_parquet(tmp_path / "wrong.parquet")
        line = refused(
            "evaluate", "--router", router, "--verdicts", tmp_path / "wrong.parquet", "--json", "-"
        )
        assert line.startswith("accuracy is counted on pairs that some reward model gets right; of these 120")

    @pytest.mark.parametrize("option", ["--json", "--annotations"])
    def test_files_that_cannot_be_written_are_refused_before_the_work(
        self, option: str, router: Path, quickstart: Path, tmp_path: Path
    ) -> None:
        words = ["evaluate", "--router", router, "--verdicts", quickstart / "held_out.parquet", option]
        for file, why in (
            (tmp_path / "no" / "x", f"no folder {tmp_path / 'no'}"),
            (tmp_path, f"{tmp_path} is a folder"),
        ):
            ended = run(*words, file)
            assert (ended.code, ended.out) == (2, "")
            assert ended.err == (
                f"error: invalid value for '{option}': {why}. See rewardrouter evaluate --help\n"
            )

    def test_a_bad_seed(self, router: Path, quickstart: Path) -> None:
        verdicts = quickstart / "held_out.parquet"
        line = refused("evaluate", "--router", router, "--verdicts", verdicts, "--seed", "-3")
        assert line.startswith("invalid value for '--seed': -3")
