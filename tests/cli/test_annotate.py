"""``rewardrouter annotate``: the labelled file, what labels it, and that a killed run resumes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import done, refused, start

from rewardrouter.datasets.pairs import load_pairs
from rewardrouter.router import BayesianRouter

RMS = ["calculator", "courtesy", "brevity", "echo"]


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def write_rows(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write_pool(folder: Path, verdicts: pd.DataFrame) -> Path:
    """Write a pool that repeats these verdicts."""
    verdicts.to_parquet(folder / "recorded.parquet")
    pool = folder / "pool.yaml"
    pool.write_text("rms: [{kind: recorded, source: recorded.parquet}]\n", encoding="utf-8")
    return pool


@pytest.fixture
def pairs(quickstart: Path) -> list[dict[str, Any]]:
    """The unlabelled pairs of the working set."""
    return rows_of(quickstart / "new_pairs.jsonl")


@pytest.fixture
def verdicts(quickstart: Path) -> pd.DataFrame:
    """The recorded verdicts on them."""
    return pd.read_parquet(quickstart / "new_verdicts.parquet")


@pytest.fixture
def words(quickstart: Path, router: Path) -> list[str | Path]:
    """An ``annotate`` of the working set; only ``--out`` is missing."""
    pairs, pool = quickstart / "new_pairs.jsonl", quickstart / "pool.yaml"
    return ["annotate", "--router", router, "--pairs", pairs, "--pool", pool]


class TestLabelled:
    """The file that is written."""

    def test_every_pair_is_labelled_or_dropped_and_none_twice(
        self, words: list[str | Path], pairs: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        ended = done(*words, "--out", tmp_path / "out.jsonl")
        labelled, dropped = rows_of(tmp_path / "out.jsonl"), rows_of(tmp_path / "out.jsonl.dropped.jsonl")
        assert [row["id"] for row in labelled] == [
            pair["id"] for pair in pairs if pair["id"] not in {row["id"] for row in dropped}
        ]
        assert len(labelled) + len(dropped) == len(pairs) == 60
        assert ended.out.splitlines()[0] == "60 pairs: 59 labelled now, 1 without a label"
        # The one that is dropped was asked of all.
        asked = pd.Series([rm for row in labelled for rm in row["rms"]] + RMS).value_counts()
        given = pd.Series([row["rm"] for row in labelled]).value_counts()
        assert ended.out.splitlines()[1] == f"Reward models asked per pair: {asked.sum() / 60:.2f}"
        lines = [line.split() for line in ended.out.splitlines()[3:-1]]
        assert [name for name, *_ in lines] == sorted(RMS, key=lambda rm: (-asked[rm], rm))
        for name, count, share, labels, of_asked in lines:
            assert (int(count), int(labels)) == (asked[name], given[name])
            assert (share, of_asked) == (f"{asked[name] / 60:.1%}", f"{given[name] / asked[name]:.1%}")
        assert "annotate: 60/60" in ended.err

    def test_chosen_is_what_the_named_reward_model_preferred(
        self, words: list[str | Path], verdicts: pd.DataFrame, tmp_path: Path
    ) -> None:
        done(*words, "--out", tmp_path / "out.jsonl")
        by_id = verdicts.set_index("id")
        for row in rows_of(tmp_path / "out.jsonl"):
            recorded = by_id.loc[row["id"]]
            a, b = recorded[f"score_a__{row['rm']}"], recorded[f"score_b__{row['rm']}"]
            sides = ("response_a", "response_b") if a > b else ("response_b", "response_a")
            assert a != b
            assert (row["chosen"], row["rejected"]) == tuple(recorded[side] for side in sides)
            assert row["rms"][-1] == row["rm"]
            assert all(recorded[f"score_a__{rm}"] == recorded[f"score_b__{rm}"] for rm in row["rms"][:-1])

    def test_the_first_one_called_is_the_one_the_router_ranks_first(
        self, words: list[str | Path], quickstart: Path, router: Path, tmp_path: Path
    ) -> None:
        done(*words, "--out", tmp_path / "out.jsonl")
        loaded = load_pairs(quickstart / "new_pairs.jsonl").pairs
        ranks = BayesianRouter.from_pretrained(router).rank(loaded)
        order = {pair.id: rank for pair, rank in zip(loaded, ranks, strict=True)}
        for row in rows_of(tmp_path / "out.jsonl"):
            assert row["rms"] == list(order[row["id"]][: len(row["rms"])])

    @pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
    def test_it_loads_as_a_preference_dataset(
        self, suffix: str, words: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        datasets = pytest.importorskip("datasets", reason="the library `datasets` is not installed")
        file = tmp_path / f"out.{suffix}"
        done(*words, "--out", file)
        read = datasets.Dataset.from_parquet if suffix == "parquet" else datasets.Dataset.from_json
        dataset = read(str(file), cache_dir=str(tmp_path / "hf"))
        assert {"prompt", "chosen", "rejected", "weight", "rm", "rms"} <= set(dataset.column_names)
        assert all(isinstance(dataset[0][name], str) for name in ("prompt", "chosen", "rejected"))
        assert len(dataset) == 59

    def test_chat_stays_chat(
        self,
        words: list[str | Path],
        pairs: list[dict[str, Any]],
        verdicts: pd.DataFrame,
        tmp_path: Path,
    ) -> None:
        def chat(row: dict[str, Any]) -> dict[str, Any]:
            system = {"role": "system", "content": "Answer."}
            prompt = [system, {"role": "user", "content": row["prompt"]}]
            sides = {
                side: [{"role": "assistant", "content": row[side]}] for side in ("response_a", "response_b")
            }
            return {**row, "prompt": prompt, **sides}

        source = write_rows(tmp_path / "chat.jsonl", [chat(pair) for pair in pairs])
        pool = write_pool(tmp_path, pd.DataFrame([chat(row) for row in verdicts.to_dict("records")]))
        done(*words, "--pairs", source, "--pool", pool, "--out", tmp_path / "out.parquet")
        datasets = pytest.importorskip("datasets", reason="the library `datasets` is not installed")
        dataset = datasets.Dataset.from_parquet(str(tmp_path / "out.parquet"), cache_dir=str(tmp_path / "hf"))
        assert len(dataset) == 59
        asked = {pair["id"]: pair for pair in pairs}
        for row in dataset:
            assert [message["role"] for message in row["prompt"]] == ["system", "user"]
            given = {row[side][0]["content"] for side in ("chosen", "rejected")}
            assert given == {asked[row["id"]][side] for side in ("response_a", "response_b")}
            assert row["chosen"][0]["role"] == "assistant"


class TestFailing:
    """Reward models that tie, fail, or never saw a pair."""

    def test_a_tie_fails_over_to_the_next_one_and_both_are_named(
        self, words: list[str | Path], verdicts: pd.DataFrame, tmp_path: Path
    ) -> None:
        done(*words, "--out", tmp_path / "before.jsonl")
        first = next(row for row in rows_of(tmp_path / "before.jsonl") if row["rms"] == ["calculator"])
        mine = verdicts["id"] == first["id"]
        verdicts.loc[mine, "score_a__calculator"] = verdicts.loc[mine, "score_b__calculator"]
        pool = write_pool(tmp_path, verdicts)
        done(*words, "--pool", pool, "--out", tmp_path / "after.jsonl")
        (now,) = (row for row in rows_of(tmp_path / "after.jsonl") if row["id"] == first["id"])
        assert len(now["rms"]) > 1
        assert now["rms"][0] == "calculator"
        assert now["rms"][-1] == now["rm"] != "calculator"

    def test_pairs_that_nobody_can_judge_are_kept_with_the_reason(
        self, words: list[str | Path], verdicts: pd.DataFrame, pairs: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        unseen, unscored = pairs[0]["id"], pairs[1]["id"]
        verdicts = verdicts[verdicts["id"] != unseen].copy()
        for rm in RMS:
            verdicts.loc[verdicts["id"] == unscored, f"score_a__{rm}"] = float("nan")
        pool = write_pool(tmp_path, verdicts)
        ended = done(*words, "--pool", pool, "--out", tmp_path / "out.jsonl")
        reasons = {row["id"]: row["reason"] for row in rows_of(tmp_path / "out.jsonl.dropped.jsonl")}
        assert len(reasons) == 3  # with the one on which all tie
        for rm in RMS:
            assert f"{rm}: no verdict recorded for this prompt and these responses" in reasons[unseen]
            assert f"{rm}: scores unusable: None, " in reasons[unscored]
        assert not {unseen, unscored} & {row["id"] for row in rows_of(tmp_path / "out.jsonl")}
        assert "57 labelled now, 3 without a label" in ended.out
        assert f"Without a label: {tmp_path / 'out.jsonl.dropped.jsonl'}" in ended.out


class TestLaws:
    """What must not matter."""

    @pytest.mark.parametrize("strategy", ["router", "random", "majority", "uwo", "mean-score"])
    def test_exchanged_responses_are_labelled_the_same(
        self, strategy: str, words: list[str | Path], pairs: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        turned = [
            {**pair, "response_a": pair["response_b"], "response_b": pair["response_a"]} for pair in pairs
        ]
        done(*words, "--strategy", strategy, "--out", tmp_path / "one.jsonl")
        source = write_rows(tmp_path / "turned.jsonl", turned)
        done(*words, "--strategy", strategy, "--pairs", source, "--out", tmp_path / "other.jsonl")
        assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "other.jsonl").read_bytes()

    def test_labels_in_the_file_are_not_read(
        self, words: list[str | Path], pairs: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        done(*words, "--out", tmp_path / "none.jsonl")
        for label in "AB":
            source = write_rows(tmp_path / f"{label}.jsonl", [{**pair, "label": label} for pair in pairs])
            done(*words, "--pairs", source, "--out", tmp_path / f"{label}-out.jsonl")
            assert (tmp_path / f"{label}-out.jsonl").read_bytes() == (tmp_path / "none.jsonl").read_bytes()

    def test_which_one_was_chosen_before_is_not_read(
        self, words: list[str | Path], pairs: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        def preference(pair: dict[str, Any], chosen: str, rejected: str) -> dict[str, Any]:
            return {
                "id": pair["id"],
                "prompt": pair["prompt"],
                "chosen": pair[chosen],
                "rejected": pair[rejected],
            }

        for name, sides in (("one", ("response_a", "response_b")), ("other", ("response_b", "response_a"))):
            source = write_rows(tmp_path / f"{name}.jsonl", [preference(pair, *sides) for pair in pairs])
            done(*words, "--pairs", source, "--out", tmp_path / f"{name}-out.jsonl")
        assert (tmp_path / "one-out.jsonl").read_bytes() == (tmp_path / "other-out.jsonl").read_bytes()

    def test_pairs_without_an_id_are_told_apart_by_their_texts(
        self, words: list[str | Path], pairs: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        nameless = [{key: value for key, value in pair.items() if key != "id"} for pair in pairs]
        done(*words, "--pairs", write_rows(tmp_path / "n.jsonl", nameless), "--out", tmp_path / "n-out.jsonl")
        done(*words, "--out", tmp_path / "out.jsonl")
        for one, other in zip(
            rows_of(tmp_path / "n-out.jsonl"), rows_of(tmp_path / "out.jsonl"), strict=True
        ):
            assert {**one, "id": other["id"]} == other


class TestStrategies:
    """Who labels."""

    def test_a_single_one(self, words: list[str | Path], verdicts: pd.DataFrame, tmp_path: Path) -> None:
        done(*words, "--strategy", "single/brevity", "--out", tmp_path / "out.jsonl")
        rows = rows_of(tmp_path / "out.jsonl")
        assert {(row["rm"], *row["rms"]) for row in rows} == {("brevity", "brevity")}
        ties = int((verdicts["score_a__brevity"] == verdicts["score_b__brevity"]).sum())
        assert len(rows) == 60 - ties
        assert len(rows_of(tmp_path / "out.jsonl.dropped.jsonl")) == ties > 0

    def test_the_consensus_weighs(
        self, words: list[str | Path], verdicts: pd.DataFrame, tmp_path: Path
    ) -> None:
        done(*words, "--strategy", "uwo", "--out", tmp_path / "out.jsonl")
        by_id = verdicts.set_index("id")
        for row in rows_of(tmp_path / "out.jsonl"):
            recorded = by_id.loc[row["id"]]
            for_a = sum(recorded[f"score_a__{rm}"] > recorded[f"score_b__{rm}"] for rm in RMS)
            for_b = sum(recorded[f"score_a__{rm}"] < recorded[f"score_b__{rm}"] for rm in RMS)
            agreeing = for_a if row["chosen"] == recorded["response_a"] else for_b
            assert agreeing == max(for_a, for_b)
            assert row["weight"] == pytest.approx(agreeing / (for_a + for_b))
            assert (row["rm"], row["rms"]) == (None, RMS)

    def test_a_cascade_tells_its_calls_and_costs_and_whom_it_asked(
        self, words: list[str | Path], quickstart: Path, tmp_path: Path
    ) -> None:
        recorded, prices = (
            quickstart / "new_verdicts.parquet",
            dict(zip(RMS, (0.1, 0.2, 0.4, 0.05), strict=True)),
        )
        rms = [f"- {{kind: recorded, name: {rm}, source: {recorded}, cost: {prices[rm]}}}\n" for rm in RMS]
        (tmp_path / "priced.yaml").write_text("rms:\n" + "".join(rms), encoding="utf-8")
        words = [*words, "--pool", tmp_path / "priced.yaml", "--strategy", "router+cascade@1.6"]
        said = done(*words, "--out", tmp_path / "out.jsonl").out.splitlines()
        asked = [rm for row in rows_of(tmp_path / "out.jsonl") for rm in row["rms"]] + RMS
        assert said[1].split("     ") == [
            f"Reward models asked per pair: {len(asked) / 60:.2f}",
            f"Cost per pair: {sum(prices[rm] for rm in asked) / 60:.4g}",
        ]
        assert sorted(line.split()[0] for line in said[3:-1]) == sorted(RMS)
        assert {line.split()[0]: int(line.split()[1]) for line in said[3:-1]} == {
            rm: asked.count(rm) for rm in RMS
        }

    def test_the_seed_decides_what_is_random(self, words: list[str | Path], tmp_path: Path) -> None:
        for name, seed in (("one", "0"), ("same", "0"), ("other", "1")):
            done(*words, "--strategy", "random", "--seed", seed, "--out", tmp_path / f"{name}.jsonl")
        one, same, other = ((tmp_path / f"{name}.jsonl").read_bytes() for name in ("one", "same", "other"))
        assert one == same
        assert one != other


class TestResumed:
    """A file that was begun."""

    def test_a_killed_run_ends_as_an_uninterrupted_one(
        self, quickstart: Path, router: Path, tmp_path: Path
    ) -> None:
        # Enough pairs for several chunks: the working set many times over, every text another one.
        pairs = [
            {**pair, "id": f"{copy}/{pair['id']}", "prompt": f"{copy}. {pair['prompt']}"}
            for copy in range(40)
            for pair in rows_of(quickstart / "new_pairs.jsonl")
        ]
        verdicts = pd.read_parquet(quickstart / "new_verdicts.parquet")
        copies = [
            verdicts.assign(id=f"{n}/" + verdicts["id"], prompt=f"{n}. " + verdicts["prompt"])
            for n in range(40)
        ]
        pool = write_pool(tmp_path, pd.concat(copies))
        source = write_rows(tmp_path / "many.jsonl", pairs)
        words = ["annotate", "--router", router, "--pairs", source, "--pool", pool, "--no-cache", "--out"]

        process = start(*words, tmp_path / "killed.jsonl")
        deadline = time.monotonic() + 120
        while not ((tmp_path / "killed.jsonl").exists() and (tmp_path / "killed.jsonl").stat().st_size):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "nothing labelled after two minutes"
            time.sleep(0.01)
        process.kill()
        process.communicate()
        whole_lines = (tmp_path / "killed.jsonl").read_bytes()
        assert 0 < whole_lines.count(b"\n") < 2000
        (tmp_path / "killed.jsonl").write_bytes(whole_lines[:-25])  # as if killed while it wrote

        ended = done(*words, tmp_path / "killed.jsonl")
        done(*words, tmp_path / "whole.jsonl")
        for suffix in ("jsonl", "jsonl.dropped.jsonl", "jsonl.manifest.json"):
            killed, whole = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("killed", "whole"))
            assert killed == whole
        assert "2,400 pairs, " in ended.out
        assert " of them before (" in ended.out

    def test_a_finished_file_is_left_as_it_is(self, words: list[str | Path], tmp_path: Path) -> None:
        done(*words, "--out", tmp_path / "out.jsonl")
        before = (tmp_path / "out.jsonl").read_bytes()
        ended = done(*words, "--out", tmp_path / "out.jsonl")
        assert ended.out.startswith(
            "60 pairs, 60 of them before (1 without a label): 0 labelled now, 0 without a label\nLabelled pairs"
        )
        assert (tmp_path / "out.jsonl").read_bytes() == before

    def test_what_was_dropped_before_is_counted_once(self, words: list[str | Path], tmp_path: Path) -> None:
        out, dropped = tmp_path / "out.jsonl", tmp_path / "out.jsonl.dropped.jsonl"
        done(*words, "--out", out)
        rows = rows_of(out)
        write_rows(out, rows[:20])
        ended = done(*words, "--out", out)
        assert ended.out.startswith(
            "60 pairs, 21 of them before (1 without a label): 39 labelled now, 0 without a label\n"
        )
        assert ended.out.endswith(f"Without a label: {dropped}\n")
        assert rows_of(out) == rows
        assert len(rows_of(dropped)) == 1

    def test_it_does_not_go_on_in_another_way(self, words: list[str | Path], tmp_path: Path) -> None:
        done(*words, "--out", tmp_path / "out.jsonl")
        line = refused(*words, "--strategy", "majority", "--out", tmp_path / "out.jsonl")
        assert 'was begun otherwise: strategy: "router" there, "majority" now; give another file' in line


class TestMistakes:
    """The user's mistakes: one line, exit code 2, nothing written."""

    @pytest.fixture(autouse=True)
    def _in_a_folder_of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize("strategy", ["router+cost@0.002", "router+cascade@0.002:unit=cost"])
    def test_a_budget_of_costs_without_costs(
        self, strategy: str, words: list[str | Path], tmp_path: Path
    ) -> None:
        line = refused(*words, "--strategy", strategy, "--out", "out.jsonl")
        assert line.startswith("a budget in costs: calculator has none; give every reward model a cost")
        assert not list(tmp_path.iterdir())

    def test_a_budget_that_no_call_keeps(self, words: list[str | Path], tmp_path: Path) -> None:
        line = refused(*words, "--strategy", "router+cascade@0.5", "--out", "out.jsonl")
        assert "budget of 0.5 calls" in line
        assert not list(tmp_path.iterdir())

    def test_an_unknown_strategy(self, words: list[str | Path]) -> None:
        line = refused(*words, "--strategy", "majorty", "--out", "out.jsonl")
        assert line.startswith(
            "--strategy majorty: unknown. Did you mean majority? Known: router, router+cascade@1.1"
        )
        assert not Path("out.jsonl").exists()

    def test_the_oracle_cannot_label_what_has_no_label(self, words: list[str | Path]) -> None:
        assert "--strategy oracle: unknown." in refused(*words, "--strategy", "oracle", "--out", "out.jsonl")

    def test_a_pool_without_one_of_the_arms(
        self, words: list[str | Path], verdicts: pd.DataFrame, tmp_path: Path
    ) -> None:
        pool = write_pool(tmp_path, verdicts.rename(columns=lambda name: name.replace("__echo", "__ecco")))
        line = refused(*words, "--pool", pool, "--out", "out.jsonl")
        assert line == (
            f"{pool}: the router may choose 'echo', which the pool lacks. Did you mean ecco?"
            " It holds: calculator, courtesy, brevity, ecco"
        )

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("rms: [{kind: recorded, sorce: x.parquet}]", "rms.0.sorce: unknown key. Did you mean source?"),
            (
                "rms: [{kind: hf, source: x}]",
                "rms.0.name: missing: this key must be given (pool.yaml, line 1)",
            ),
            ("rms: []", "(pool.yaml, line 1)"),
            ("rms: [", "not valid YAML"),
            ("", "rms: missing: this key must be given (pool.yaml)"),
            ("rms: [{kind: recorded, source: x.parquet}]", "x.parquet: no such file"),
        ],
    )
    def test_a_broken_pool_file(self, text: str, expected: str, words: list[str | Path]) -> None:
        Path("pool.yaml").write_text(text, encoding="utf-8")
        assert expected in refused(*words, "--pool", "pool.yaml", "--out", "out.jsonl")

    def test_no_pool_file(self, words: list[str | Path], quickstart: Path) -> None:
        line = refused(*words, "--pool", quickstart / "pol.yaml", "--out", "out.jsonl")
        assert line.endswith(f"pol.yaml does not exist. Did you mean {quickstart / 'pool.yaml'}?")

    def test_an_unknown_suffix(self, words: list[str | Path]) -> None:
        line = refused(*words, "--out", "out.csv")
        assert line == "out.csv: labelled pairs go to .jsonl or .parquet, not '.csv'"

    def test_the_pairs_themselves_as_the_file_to_write(
        self, words: list[str | Path], pairs: list[dict[str, Any]]
    ) -> None:
        source = write_rows(Path("mine.jsonl"), pairs)
        line = refused(*words, "--pairs", source, "--out", "./mine.jsonl")
        assert line == "--out mine.jsonl: would write over what --pairs reads; give another file"
        assert rows_of(source) == pairs

    def test_other_texts_under_the_same_ids_do_not_count_as_done(
        self, words: list[str | Path], pairs: list[dict[str, Any]]
    ) -> None:
        done(*words, "--pairs", write_rows(Path("first.jsonl"), pairs), "--out", "out.jsonl")
        changed = [{**pairs[0], "prompt": "another question"}, *pairs[1:]]
        line = refused(*words, "--pairs", write_rows(Path("second.jsonl"), changed), "--out", "out.jsonl")
        assert "was begun otherwise: pairs:" in line

    def test_other_recorded_verdicts_behind_the_same_pool_file_do_not_count_as_done(
        self, words: list[str | Path], verdicts: pd.DataFrame, tmp_path: Path
    ) -> None:
        pool = write_pool(tmp_path, verdicts)
        done(*words, "--pool", pool, "--out", "out.jsonl")
        before = Path("out.jsonl").read_bytes()
        exchanged = {"score_a__echo": "score_b__echo", "score_b__echo": "score_a__echo"}
        write_pool(tmp_path, verdicts.rename(columns=exchanged))
        line = refused(*words, "--pool", pool, "--out", "out.jsonl")
        assert "was begun otherwise: verdicts: the recorded verdicts of the pool changed since; give" in line
        assert Path("out.jsonl").read_bytes() == before
        write_pool(tmp_path, verdicts)
        done(*words, "--pool", pool, "--out", "out.jsonl")

    def test_recorded_calls_that_came_since_do_not_count_as_done(
        self, words: list[str | Path], verdicts: pd.DataFrame
    ) -> None:
        pairs = ["id", "prompt", "response_a", "response_b"]
        Path("calls/verdicts").mkdir(parents=True)
        verdicts[pairs].to_parquet("calls/pairs.parquet")
        for n, rm in enumerate(RMS):
            winner = (verdicts[f"score_a__{rm}"] > verdicts[f"score_b__{rm}"]).map({True: "A", False: "B"})
            calls = pd.DataFrame({"pair_id": verdicts["id"], "rm": rm, "winner": winner})
            calls.iloc[5:].to_parquet(f"calls/verdicts/part-{n}.parquet")
        Path("pool.yaml").write_text("rms: [{kind: recorded, source: calls}]\n", encoding="utf-8")
        done(*words, "--pool", "pool.yaml", "--out", "out.jsonl")
        calls.iloc[:5].to_parquet("calls/verdicts/part-9.parquet")
        assert "was begun otherwise: verdicts:" in refused(
            *words, "--pool", "pool.yaml", "--out", "out.jsonl"
        )

    def test_a_file_that_is_something_else(self, words: list[str | Path]) -> None:
        Path("out.jsonl").write_text('{"id": "x"}\n', encoding="utf-8")
        line = refused(*words, "--out", "out.jsonl")
        assert "out.jsonl: exists, and annotate did not begin it" in line
        assert Path("out.jsonl").read_text(encoding="utf-8") == '{"id": "x"}\n'

    def test_a_folder_that_cannot_be_made(self, words: list[str | Path]) -> None:
        Path("file").touch()
        assert (
            refused(*words, "--out", "file/out.jsonl") == "--out: the folder file cannot be made: File exists"
        )

    def test_no_router_there(self, words: list[str | Path]) -> None:
        assert refused(*words, "--router", "nowhere", "--out", "out.jsonl").startswith(
            "nowhere: not a router"
        )

    def test_corrupt_pairs(self, words: list[str | Path]) -> None:
        Path("bad.parquet").write_bytes(b"PAR1")
        line = refused(*words, "--pairs", "bad.parquet", "--out", "out.jsonl")
        assert line.startswith("bad.parquet: not a readable parquet file")

    def test_text_and_chat_in_one_file(
        self, words: list[str | Path], pairs: list[dict[str, Any]], verdicts: pd.DataFrame
    ) -> None:
        both = [pairs[0], {**pairs[1], "prompt": [{"role": "user", "content": pairs[1]["prompt"]}]}]
        source = write_rows(Path("mixed.jsonl"), both)
        scores = verdicts.set_index("id").filter(like="score_").to_dict("index")
        write_rows(Path("recorded.jsonl"), [{**pair, **scores[pair["id"]]} for pair in both])
        Path("pool.yaml").write_text("rms: [{kind: recorded, source: recorded.jsonl}]\n", encoding="utf-8")
        line = refused(*words, "--pairs", source, "--pool", "pool.yaml", "--out", "out.jsonl")
        assert line == (
            f"out.jsonl: pair {both[1]['id']} is chat, but {both[0]['id']} is text;"
            " a dataset holds one form: label them into two files"
        )
