"""``rewardrouter collect``: the folder, what it is good for, and what is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import done, refused
from one_by_one import one_by_one

from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.reward_models.hf import HfRewardModel

RECORDED = "  - {name: calculator, kind: recorded, source: recorded.parquet}\n"


@pytest.fixture
def source(quickstart: Path, tmp_path: Path) -> Path:
    """Twelve labelled pairs of the working set, with the recorded verdicts of one RM beside them."""
    verdicts = pd.read_parquet(quickstart / "verdicts.parquet").groupby("domain").head(4)
    verdicts.to_parquet(tmp_path / "recorded.parquet")
    rows = verdicts[["id", "prompt", "response_a", "response_b", "label", "domain"]].to_dict("records")
    return write_pairs(tmp_path / "pairs.jsonl", rows)


def write_pairs(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def pairs_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def pool(tmp_path: Path, tiny_reward_model: Callable[[str], Path]) -> Path:
    """A recording and two models that run here."""
    live = "".join(
        f"  - {{name: tiny-{kind}, kind: hf, source: {tiny_reward_model(kind)}, cost: 0.01}}\n"
        for kind in ("qwen3", "bert")
    )
    (tmp_path / "pool.yaml").write_text(f"rms:\n{RECORDED}{live}", encoding="utf-8")
    return tmp_path / "pool.yaml"


@pytest.fixture
def words(source: Path, pool: Path, tmp_path: Path) -> list[str | Path]:
    return ["collect", "--pairs", source, "--pool", pool, "--out", tmp_path / "out"]


class TestCollected:
    """The folder, and what is told of it."""

    def test_verdicts_are_those_of_each_reward_model(
        self, words: list[str | Path], source: Path, tmp_path: Path, tiny_reward_model: Callable[[str], Path]
    ) -> None:
        done(*words)
        table = load_verdicts(tmp_path / "out").table
        rows = pairs_of(source)
        assert [pair.id for pair in table.pairs] == [row["id"] for row in rows]
        assert table.rms == ("calculator", "tiny-qwen3", "tiny-bert")
        recorded = pd.read_parquet(tmp_path / "recorded.parquet")
        np.testing.assert_array_equal(table.scores_a[:, 0], recorded["score_a__calculator"])
        texts = [(row["prompt"], row[side]) for row in rows for side in ("response_a", "response_b")]
        expected = np.reshape(one_by_one(tiny_reward_model("qwen3"), texts), (-1, 2))
        np.testing.assert_allclose(table.scores_a[:, 1], expected[:, 0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(table.scores_b[:, 1], expected[:, 1], rtol=1e-4, atol=1e-4)

    def test_the_table_counts_what_is_in_the_folder(
        self, words: list[str | Path], source: Path, tmp_path: Path
    ) -> None:
        ended = done(*words, "--chunk", "5")
        n = len(pairs_of(source))
        table = load_verdicts(tmp_path / "out").table
        first, _, header, *lines, _, following = ended.out.splitlines()
        assert first == f"{n} pairs"
        assert header.split()[-1] == "cost"
        for column, line in enumerate(lines):
            name, verdicts, ties, failed, accuracy, seconds, now, cost = line.split()
            behaviour = table.behaviour[:, column]
            assert name == table.rms[column]
            assert (int(verdicts), int(failed), int(now)) == (n, 0, n)
            assert int(ties) == np.isnan(behaviour).sum()
            assert float(accuracy) == pytest.approx(np.nanmean(behaviour), abs=5e-4)
            assert (seconds == "-", cost) == ((True, "-") if column == 0 else (False, f"{n * 0.01:.2f}"))
        assert following == f"Next: rewardrouter fit --verdicts {tmp_path / 'out'} --out ROUTER"
        assert f"tiny-bert: {n}/{n} | " in ended.err

    def test_a_reward_model_that_joins_later_is_the_only_one_asked(
        self, words: list[str | Path], pool: Path, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        n = len(pairs_of(source))
        done(*words, "--rms", "tiny-bert")
        judged: list[str] = []
        judge = HfRewardModel.judge
        monkeypatch.setattr(
            HfRewardModel, "judge", lambda self, pairs: judged.append(self.name) or judge(self, pairs)
        )
        ended = done(*words)
        assert judged == ["tiny-qwen3"]
        calls = {line.split()[0]: int(line.split()[-2]) for line in ended.out.splitlines()[3:6]}
        assert calls == {"calculator": n, "tiny-qwen3": n, "tiny-bert": 0}
        again = done(*words)
        assert judged == ["tiny-qwen3"]
        assert all(line.split()[-2] == "0" for line in again.out.splitlines()[3:6])

    def test_what_fails_is_named_and_retried(
        self, words: list[str | Path], source: Path, tmp_path: Path
    ) -> None:
        extra = {"id": "new", "prompt": "not recorded", "response_a": "x", "response_b": "y"}
        write_pairs(source, [*pairs_of(source), extra])
        ended = done(*words, "--rms", "calculator", "--retry", "2")
        assert "calculator: 1 calls failed, most often: no verdict recorded for this prompt" in ended.err
        assert "Failed calls: the same command again" in ended.out
        parts = list((tmp_path / "out" / "verdicts").glob("*.parquet"))
        assert len(parts) == 3
        ended = done(*words, "--rms", "calculator")
        assert ended.out.splitlines()[3].split()[-1] == "1"

    def test_what_is_cut_is_told(self, words: list[str | Path], pool: Path) -> None:
        pool.write_text(pool.read_text().replace("cost: 0.01", "max_tokens: 30"))
        ended = done(*words, "--rms", "tiny-qwen3")
        assert re.search(r"tiny-qwen3: \d+ of \d+ texts cut to 30 tokens", ended.err)
        assert "cost" not in ended.out

    def test_unlabelled_pairs_have_no_accuracy(self, words: list[str | Path], source: Path) -> None:
        write_pairs(source, [{k: v for k, v in row.items() if k != "label"} for row in pairs_of(source)])
        ended = done(*words, "--rms", "tiny-bert")
        assert ended.out.splitlines()[3].split()[4] == "-"
        assert "Next:" not in ended.out


def test_its_folder_is_what_fit_evaluate_and_a_pool_take(
    quickstart: Path, tiny_bert: Path, pool: Path, tmp_path: Path
) -> None:
    for name in ("verdicts", "new_verdicts"):
        verdicts = pd.read_parquet(quickstart / f"{name}.parquet")
        verdicts.to_parquet(tmp_path / "recorded.parquet")
        columns = ["id", "prompt", "response_a", "response_b", "domain"]
        columns += ["label"] if "label" in verdicts else []
        write_pairs(tmp_path / f"{name}.jsonl", verdicts[columns].to_dict("records"))
        pairs, out = tmp_path / f"{name}.jsonl", tmp_path / name
        done("collect", "--pairs", pairs, "--pool", pool, "--rms", "calculator,tiny-bert", "--out", out)
    router, verdicts = tmp_path / "router", tmp_path / "verdicts"
    done("fit", "--verdicts", verdicts, "--encoder", tiny_bert, "--freeze-encoder", "--out", router)
    ended = done("evaluate", "--router", router, "--verdicts", verdicts, "--json", "-")
    found = json.loads(ended.out)["strategies"]
    assert {"router", "single/calculator", "single/tiny-bert", "oracle"} <= set(found)
    live, again = tmp_path / "live.jsonl", tmp_path / "again.jsonl"
    new = tmp_path / "new_verdicts.jsonl"
    done("annotate", "--pairs", new, "--router", router, "--pool", pool, "--out", live)
    (tmp_path / "recordings.yaml").write_text("rms: [{kind: recorded, source: new_verdicts}]\n")
    done(
        "annotate", "--pairs", new, "--router", router, "--pool", tmp_path / "recordings.yaml", "--out", again
    )
    assert live.read_bytes() == again.read_bytes()
    assert {row["rm"] for row in pairs_of(live)} == {"calculator", "tiny-bert"}


class TestMistakes:
    """One line, exit code 2."""

    def test_another_reward_model_under_a_name(self, words: list[str | Path], pool: Path) -> None:
        done(*words, "--rms", "tiny-bert")
        pool.write_text(pool.read_text().replace("cost: 0.01", "max_tokens: 16"))
        line = refused(*words, "--rms", "tiny-bert")
        assert "out: tiny-bert was another reward model: max_tokens: 128 there, 16 now; give" in line

    def test_other_recorded_verdicts_under_a_name(self, words: list[str | Path], tmp_path: Path) -> None:
        done(*words, "--rms", "calculator")
        recorded = pd.read_parquet(tmp_path / "recorded.parquet")
        recorded.assign(score_a__calculator=7.0).to_parquet(tmp_path / "recorded.parquet")
        assert "calculator was another reward model: records: " in refused(*words, "--rms", "calculator")

    def test_other_pairs(self, words: list[str | Path], source: Path) -> None:
        done(*words, "--rms", "calculator")
        write_pairs(source, pairs_of(source)[1:])
        assert "holds verdicts on other pairs: n_pairs: " in refused(*words, "--rms", "calculator")

    def test_a_reward_model_that_is_not_in_the_pool(self, words: list[str | Path]) -> None:
        line = refused(*words, "--rms", "tiny-bart")
        assert (
            "the pool has no reward model 'tiny-bart'. Did you mean tiny-bert? It holds: calculator," in line
        )

    def test_a_pool_without_a_checkpoint(self, words: list[str | Path], pool: Path, tmp_path: Path) -> None:
        pool.write_text("rms: [{name: x, kind: hf, source: ./nowhere}]\n")
        line = refused(*words)
        assert line.startswith(f"{pool}: reward model x (./nowhere): no such folder. Give a folder")
        assert not (tmp_path / "out").exists()

    def test_a_language_model_as_reward_model(
        self, words: list[str | Path], pool: Path, tiny_llama: Path
    ) -> None:
        pool.write_text(f"rms: [{{name: x, kind: hf, source: {tiny_llama}}}]\n")
        assert "found LlamaForCausalLM with 2 labels (LABEL_0, LABEL_1), expected 1" in refused(*words)

    def test_a_folder_that_cannot_be_written(self, words: list[str | Path], tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        line = refused(*words, "--rms", "calculator", "--out", tmp_path / "file" / "out")
        assert "file/out: cannot be written: Not a directory" in line

    def test_the_folder_that_the_pool_reads(
        self, words: list[str | Path], pool: Path, tmp_path: Path
    ) -> None:
        done(*words, "--rms", "calculator")
        pool.write_text("rms: [{kind: recorded, source: out}]\n")
        assert "would write over what" in refused(*words)

    def test_a_folder_with_other_things_in_it(self, words: list[str | Path], tmp_path: Path) -> None:
        assert "holds files but no manifest.json" in refused(*words, "--out", tmp_path)
