"""``rewardrouter prepare``: what is written, what is told, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import done, refused
from native_rows import NATIVE, write_native

from rewardrouter.datasets.pairs import load_pairs
from rewardrouter.datasets.rows import read_rows
from rewardrouter.datasets.sources import SOURCES


@pytest.fixture
def helpsteer3(tmp_path: Path) -> Path:
    """Two preferences and a tie, in two domains."""
    rows = [
        NATIVE["helpsteer3"],
        NATIVE["helpsteer3"] | {"overall_preference": 0},
        NATIVE["helpsteer3"] | {"domain": "code", "response1": "print(1)", "overall_preference": 3},
    ]
    return write_native(tmp_path / "train.jsonl.gz", *rows)


def test_pairs_are_written_and_counted(helpsteer3: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.parquet"
    told = done("prepare", "helpsteer3", "--source", helpsteer3, "--out", out).out.splitlines()
    assert told[0] == "HelpSteer3: 3 rows, 2 pairs in 1 group"
    assert [line.split() for line in told[1:3]] == [["stem", "1"], ["code", "1"]]
    assert told[3] == "Ties: 1, left out; --keep-ties keeps them, without a label"
    assert told[4].startswith("In the paper: 38,459 pairs of train, ties included")
    assert told[5].endswith(f"rewardrouter collect --pairs {out} --pool POOL.yaml --out DIR")
    loaded = load_pairs(out)
    assert len(loaded.pairs) == len(loaded.labelled().pairs) == 2
    kept = done("prepare", "helpsteer3", "--source", helpsteer3, "--keep-ties", "--out", out)
    assert "Ties: 1, kept without a label" in kept.out
    assert load_pairs(out).labels.count(None) == 1


def test_prompts_are_written_with_their_answers(tmp_path: Path) -> None:
    source, out = write_native(tmp_path / "test.jsonl", NATIVE["gsm8k"]), tmp_path / "prompts.jsonl"
    told = done("prepare", "gsm8k", "--source", source, "--out", out).out
    assert "GSM8K: 1 row, 1 prompt\n" in told
    assert f"Prompts: {out}     Next: rewardrouter train" in told
    (row,) = read_rows(out)
    assert (row["prompt"], row["answer"]) == (NATIVE["gsm8k"]["question"], "1072")


def test_counts_as_json_and_the_same_file_twice(helpsteer3: Path, tmp_path: Path) -> None:
    written = []
    for name in ("one.parquet", "two.parquet"):
        words = ("prepare", "helpsteer3", "--source", helpsteer3, "--out", tmp_path / name, "--json", "-")
        counts = json.loads(done(*words).out)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert counts["domains"] == {"stem": 1, "code": 1}
    assert (counts["rows"], counts["pairs"], counts["labelled"], counts["ties"]) == (3, 2, 2, 1)


def test_rows_left_out_are_told_with_their_reason(tmp_path: Path) -> None:
    rows = [NATIVE["rewardbench2"], NATIVE["rewardbench2"] | {"subset": "Ties"}]
    source = write_native(tmp_path / "test.parquet", *rows)
    told = done("prepare", "rewardbench2", "--source", source, "--out", tmp_path / "pairs.parquet").out
    assert "several right answers to one prompt: 1 row left out: row 2" in told


def test_mistakes_are_one_line(helpsteer3: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert "no such data set. Did you mean helpsteer3?" in refused("prepare", "helpster3", "--out", out)
    assert "pandalm: not on the hub" in refused("prepare", "pandalm", "--out", out)
    assert "expected a file that ends in .parquet or .jsonl" in refused(
        "prepare", "helpsteer3", "--source", helpsteer3, "--out", tmp_path / "out.csv"
    )
    assert "would write over what --source" in refused(
        "prepare", "helpsteer3", "--source", helpsteer3, "--out", helpsteer3
    )
    assert "gsm8k holds prompts, not pairs" in refused(
        "prepare", "gsm8k", "--keep-ties", "--source", helpsteer3, "--out", out
    )
    schema = refused("prepare", "rm-bench", "--source", helpsteer3, "--out", out)
    assert schema.startswith(f"{helpsteer3}, row 1: no column prompt.")
    assert "Expected id, prompt, chosen (3 texts), rejected (3 texts); found domain, language" in schema
    assert not out.exists()


def test_the_help_names_every_data_set_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from rewardrouter.cli.main import main; main(['prepare', '--help']);"
        "assert not {'torch', 'pandas', 'pyarrow', 'datasets'} & sys.modules.keys()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = " ".join(ended.stdout.split())
    assert f"Data sets: {', '.join(SOURCES)}." in told
