"""``rewardrouter simulate``: figures recomputed from its records, and runs killed at any moment that go on."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from commands import done, refused, start

from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.simulation.results import read_results
from rewardrouter.verdicts import TIE, A, B

SMALL = (
    "--batch_size=16", "--epochs=2", "--windows=4", "--checkpoint_every=3", "--policy.small.width=16",
    "--policy.small.vocabulary=300", "--policy.small.epochs=1", "--policy.max_response_tokens=24",
)  # fmt: skip
# On so few held-out pairs the first is the router's choice alone; the second is not.
CASCADES = ("router+cascade@1.35", "router+cascade@1.35:order=accuracy,keep_budget=True")
STRATEGIES = ",".join(
    ("router", "without-offline", "laser", "light-advantage", "neural-linear:every=2", "random", "single",
     "oracle", *CASCADES)
)  # fmt: skip


def words(router: Path, quickstart: Path, out: Path, *more: str) -> list[str | Path]:
    verdicts = quickstart / "held_out.parquet"
    return ["simulate", "--verdicts", verdicts, "--router", router, "--out", out, *SMALL, *more]


def without_times(results: dict[str, Any]) -> dict[str, Any]:
    results.pop("encode_seconds")
    for figures in results["strategies"].values():
        figures.pop("seconds")
    return results


@pytest.fixture(scope="module")
def finished(router: Path, quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulate") / "run"
    done(*words(router, quickstart, out, "--strategies", STRATEGIES, "--seeds", "2", "--workers", "1"))
    return out


def folder_of(strategy: str) -> str:
    return quote(strategy, safe="=,@+")


def decisions(out: Path, strategy: str, seed: int) -> list[dict[str, Any]]:
    with gzip.open(
        out / "units" / strategy / str(seed) / "decisions.jsonl.gz", "rt", encoding="utf-8"
    ) as lines:
        return [json.loads(line) for line in lines]


def test_every_accuracy_can_be_recomputed_from_the_decisions_and_the_verdicts(
    finished: Path, router: Path, quickstart: Path
) -> None:
    results = read_results(finished)
    table = load_verdicts(str(quickstart / "held_out.parquet"), results.arms).table
    human = {pair.id: "A" if code > 0 else "B" for pair, code in zip(table.pairs, table.labels, strict=True)}
    kept = {pair.id for pair, one in zip(table.pairs, table.kept, strict=True) if one}
    assert results.n_pairs == len(table)
    assert results.n_kept == len(kept)
    assert results.batches == 14
    for name, figures in results.strategies.items():
        per_seed = []
        for seed in results.seeds:
            rows = decisions(finished, folder_of(name), seed)
            assert len(rows) == 14 * 16
            counted = [row for row in rows if row["pair"] in kept]
            per_seed.append(np.mean([row["label"] == human[row["pair"]] for row in counted]))
            assert [row["kept"] for row in rows] == [row["pair"] in kept for row in rows]
        assert figures.accuracy == pytest.approx(np.mean(per_seed))
        assert figures.accuracy_std == pytest.approx(np.std(per_seed, ddof=1))
    assert results.strategies["oracle"].accuracy == 1.0
    assert results.strategies["light-advantage"].calls_per_pair > 2.9
    assert results.strategies["router"].difference is None


def test_only_labels_of_an_rm_earn_rewards_and_train(finished: Path) -> None:
    rows = decisions(finished, "router", 0)
    assert any(row["label"] is None for row in rows)
    for row in rows:
        assert (
            (row["label"] is None) == (row["loss"] is None) == (row["rm"] is None) == (row["reward"] is None)
        )
    assert all(0 <= row["reward"] <= 1 for row in rows if row["reward"] is not None)
    assert all(row["reward"] is None for row in decisions(finished, "random", 0))
    # Before the first update the policy is its reference: margin 0, loss ln 2.
    first = [row for row in rows[:16] if row["label"]]
    assert {row["margin"] for row in first} == {0.0}
    assert first[0]["loss"] == pytest.approx(np.log(2), rel=1e-5)


@pytest.mark.parametrize("name", CASCADES)
def test_a_cascade_tells_all_whom_it_asked_and_labels_by_what_they_said(
    finished: Path, router: Path, quickstart: Path, name: str
) -> None:
    results = read_results(finished)
    table = load_verdicts(str(quickstart / "held_out.parquet"), results.arms).table
    said = {
        pair.id: dict(zip(table.rms, winners.tolist(), strict=True))
        for pair, winners in zip(table.pairs, table.winners, strict=True)
    }
    rows = [row for seed in results.seeds for row in decisions(finished, folder_of(name), seed)]
    figures = results.strategies[name]
    assert figures.calls_per_pair == pytest.approx(np.mean([len(row["rms"]) for row in rows]))
    calls = Counter(rm for row in rows for rm in row["rms"])
    assert figures.calls_by_rm == pytest.approx(
        {rm: n / len(results.seeds) for rm, n in calls.items()}, abs=1
    )
    if name == CASCADES[1]:
        assert figures.calls_per_pair == pytest.approx(1.35, abs=0.1)
        assert sum(row["rm"] is None for row in rows) > 0.2 * len(rows)
    for row in rows:
        heard = [said[row["pair"]][rm] for rm in row["rms"]]
        assert len(set(row["rms"])) == len(heard) >= 1
        # Until an RM names a winner asking goes on; where none does there is no label.
        winners = [code for code in heard if code in (A, B)]
        assert winners or len(heard) == len(table.rms)
        assert row["label"] is None if not winners else row["label"] in ("A", "B")
        assert row["rm"] is None or winners == [A if row["label"] == "A" else B]
    assert any(TIE in said[row["pair"]].values() for row in rows)


def test_all_strategies_see_the_same_batches(finished: Path) -> None:
    orders = {
        name: [row["pair"] for row in decisions(finished, name, 1)] for name in ("router", "laser", "oracle")
    }
    assert len({tuple(order) for order in orders.values()}) == 1
    assert orders["router"] != [row["pair"] for row in decisions(finished, "router", 0)]


def test_two_processes_find_what_one_finds(
    finished: Path, router: Path, quickstart: Path, tmp_path: Path
) -> None:
    done(*words(router, quickstart, tmp_path / "run", "--strategies", "router,laser", "--seeds", "2",
                "--workers", "2"))  # fmt: skip
    one, two = read_results(finished), read_results(tmp_path / "run")
    for name in ("router", "laser"):
        found, expected = two.strategies[name], one.strategies[name]
        assert found.model_copy(update={"seconds": {}}) == expected.model_copy(update={"seconds": {}})


def test_seeds_and_strategies_can_be_added_and_nothing_else_changed(
    finished: Path, router: Path, quickstart: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    line = refused(*words(router, quickstart, out))
    assert "holds a run already; give --resume" in line
    line = refused(*words(router, quickstart, out, "--resume", "--policy.beta=0.5"))
    assert "replay.policy.beta was 1.0 and is 0.5 now" in line
    before = decisions(out, "router", 0)
    done(*words(router, quickstart, out, "--resume", "--strategies", "router,majority", "--seeds", "3",
                "--workers", "1"))  # fmt: skip
    results = read_results(out)
    assert (list(results.strategies), results.seeds) == (["router", "majority"], [0, 1, 2])
    assert decisions(out, "router", 0) == before


def test_without_a_policy_labels_are_the_same_and_who_needs_one_is_refused(
    router: Path, quickstart: Path, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    untrained = [word for word in words(router, quickstart, out) if not str(word).startswith("--policy.")]
    line = refused(*untrained, "--policy", "none", "--strategies", "laser,random,router")
    assert "--policy none: laser, router read the policy's losses or prompts" in line
    line = refused(*untrained, "--policy", "none", "--strategies", "random", "--policy.loss=ipo")
    assert "--policy.loss=ipo: sets a policy, and --policy none has none" in line
    assert not out.exists()
    ended = done(
        *untrained, "--policy", "none", "--strategies", "random,single", "--seeds", "1", "--workers", "1"
    )
    assert "No policy was trained" in ended.out
    assert "1 seed\n" in ended.out
    told = ("id", "label", "rm", "right")
    single = next((out / "units").glob("single*")).name
    for strategy in ("random", single):
        trained, alone = decisions(finished, strategy, 0), decisions(out, strategy, 0)
        assert [[row[key] for key in told] for row in alone] == [
            [row[key] for key in told] for row in trained
        ]
    assert read_results(out).strategies["random"].policy_auc_end is None
    line = refused(*untrained, "--resume", "--strategies", "random")
    assert line.startswith("--resume: was run with --policy none; give it again, or give another --out")
    page = tmp_path / "report.html"
    done("report", out, "--out", page)
    assert "What the policy learnt" not in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_figures(
    finished: Path, router: Path, quickstart: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    given = words(router, quickstart, out, "--strategies", STRATEGIES, "--seeds", "2", "--workers", "2")
    waits, kills = random.Random(0), 0
    for _ in range(5):
        process = start(*given, *(["--resume"] if (out / "config.yaml").exists() else []))
        time.sleep(waits.uniform(1.0, 12.0))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert kills >= 3
    last = start(*given, "--resume")
    _, errors = last.communicate()
    assert last.returncode == 0, errors
    expected, found = (json.loads((run / "results.json").read_text()) for run in (finished, out))
    assert without_times(found) == without_times(expected)
    for name in map(folder_of, (*CASCADES, "router")):
        assert decisions(out, name, 1) == decisions(finished, name, 1)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--strategies", "ruter"], "strategy ruter: unknown. Did you mean router?"),
        (
            ["--strategies", "router:prior_varience=1"],
            "prior_varience: unknown key. Did you mean prior_variance?",
        ),
        (["--strategies", "router:prior_variance=-1"], "strategy router:prior_variance=-1: prior_variance: "),
        (
            ["--strategies", "router:offline"],
            "strategy router:offline: found 'offline', expected --key=value",
        ),
        (["--strategies", "oracle:x=1"], "strategy oracle:x=1: oracle has no settings"),
        (["--strategies", ","], "--strategies: names none"),
        (
            ["--strategies", "router:prior_variance=.inf"],
            "strategy router:prior_variance=.inf: prior_variance: ",
        ),
        (["--strategies", "router+cascade@0.5"], "less than one call to the cheapest"),
        (["--strategies", "light-advantage:size=9"], "asks 9 RMs, but the pool has 4"),
        (["--policy", "/nowhere"], "policy /nowhere"),
        (["--strategies", "single/nobody"], "strategy single/nobody: unknown."),
        (["--epoch=3"], "epoch: unknown key. Did you mean epochs?"),
        (["--seeds", "0"], "--seeds"),
        (["--policy", "/nowhere", "--policy-texts", "x"], "--policy-texts: only the small policy learns"),
        (["epochs=3"], "unexpected argument epochs=3."),
    ],
)
def test_mistakes_are_told_in_one_line(
    router: Path, quickstart: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    assert message in refused(*words(router, quickstart, tmp_path / "run", *more))


def test_a_run_begun_in_vain_can_be_begun_again(router: Path, quickstart: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    refused(*words(router, quickstart, out, "--policy", "/nowhere"))
    assert not (out / "config.yaml").exists()
    done(*words(router, quickstart, out, "--strategies", "random", "--seeds", "1", "--workers", "1"))


def test_resumed_when_finished_it_says_the_same_again(
    finished: Path, router: Path, quickstart: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    before = json.loads((out / "results.json").read_text())
    (out / "results.json").unlink()
    done(
        *words(
            router, quickstart, out, "--resume", "--strategies", STRATEGIES, "--seeds", "2", "--workers", "2"
        )
    )
    assert json.loads((out / "results.json").read_text()) == before


def test_it_does_not_go_on_with_other_labels_or_another_router(
    router: Path, quickstart: Path, fit_words: list[str | Path], tmp_path: Path
) -> None:
    verdicts, fitted = tmp_path / "held_out.parquet", tmp_path / "router"
    shutil.copy(quickstart / "held_out.parquet", verdicts)
    shutil.copytree(router, fitted)
    given = ["simulate", "--verdicts", verdicts, "--router", fitted, "--out", tmp_path / "run", *SMALL,
             "--strategies", "random", "--seeds", "1", "--workers", "1"]  # fmt: skip
    done(*given)
    table = pd.read_parquet(verdicts)
    table.assign(label=table["label"].map({"A": "B", "B": "A"})).to_parquet(verdicts)
    assert f"{verdicts} holds something else than when the run was begun" in refused(*given, "--resume")
    table.to_parquet(verdicts)
    done(*given, "--resume")
    done(*fit_words, "--out", fitted, "--overwrite", "--solver.folds=2")
    assert f"{fitted} holds something else than when the run was begun" in refused(*given, "--resume")


def test_of_two_batches_there_is_no_early_and_late(router: Path, quickstart: Path, tmp_path: Path) -> None:
    ended = done(*words(router, quickstart, tmp_path / "run", "--strategies", "router,without-offline", "--seeds", "2",
                        "--batch_size=120", "--workers", "1"))  # fmt: skip
    figures = read_results(tmp_path / "run").strategies["router"]
    assert (figures.accuracy_early is None, figures.accuracy_late, figures.failures) == (False, None, [])
    assert "decay" not in ended.out
    done("report", tmp_path / "run")


def test_one_seed_has_no_interval(router: Path, quickstart: Path, tmp_path: Path) -> None:
    ended = done(*words(router, quickstart, tmp_path / "run", "--strategies", "random,oracle", "--seeds", "1",
                        "--workers", "1"))  # fmt: skip
    assert " to " not in ended.out.split("strategy", 1)[1]


def test_a_strategy_has_one_name(router: Path, quickstart: Path, tmp_path: Path) -> None:
    asked = "router,router:reward=loss,router:prior_variance=2e-2,router:reward='truth'"
    done(
        *words(router, quickstart, tmp_path / "run", "--strategies", asked, "--seeds", "1", "--workers", "1")
    )
    assert list(read_results(tmp_path / "run").strategies) == ["router", "router:reward=truth"]


def test_a_folder_that_holds_something_else_is_left_alone(
    router: Path, quickstart: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    assert "is not empty and holds no run" in refused(*words(router, quickstart, tmp_path))


def test_a_run_over_the_pairs_it_was_fitted_to_says_so(
    router: Path, quickstart: Path, tmp_path: Path
) -> None:
    ended = done(
        "simulate", "--verdicts", quickstart / "verdicts.parquet", "--router", router, "--out", tmp_path / "run",
        "--strategies", "without-online", "--seeds", "1", "--workers", "1", *SMALL, "--epochs=1",
    )  # fmt: skip
    assert "240 of 240 pairs (100.0%) belong to problems this router was fitted to" in ended.out


@pytest.mark.parametrize("tuning", ["lora", "full"])
@pytest.mark.parametrize("loss", ["sigmoid", "ipo", "hinge"])
def test_any_causal_lm_can_be_the_policy(
    router: Path, quickstart: Path, tiny_llama: Path, tmp_path: Path, tuning: str, loss: str
) -> None:
    done(
        "simulate", "--verdicts", quickstart / "held_out.parquet", "--router", router, "--out", tmp_path / "run",
        "--policy", tiny_llama, "--strategies", "router", "--seeds", "1", "--workers", "1", "--epochs=1",
        "--batch_size=40", "--windows=4", f"--policy.tuning={tuning}", f"--policy.loss={loss}", "--policy.beta=0.1",
        "--policy.learning_rate=0.003", "--policy.max_prompt_tokens=64", "--policy.max_response_tokens=64",
    )  # fmt: skip
    results = read_results(tmp_path / "run")
    assert results.policy == str(tiny_llama)
    figures = results.strategies["router"]
    assert figures.policy_auc_start == 0.5
    assert figures.policy_auc_end > 0.6
    rows = decisions(tmp_path / "run", "router", 0)
    before = [row["loss"] for row in rows[:40] if row["label"]]
    expected = {"sigmoid": np.log(2), "ipo": 25.0, "hinge": 1.0}[loss]  # margin 0; ipo: (1 / 2 beta)^2
    assert before == pytest.approx([expected] * len(before), rel=1e-4)
