"""Rows from files: every format alike, and errors that say what to mend."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rewardrouter.datasets.rows import read_rows
from rewardrouter.errors import DataError, MissingDependencyError

ROWS = [
    {"id": "a", "n": 1, "score": 0.5, "chat": [{"role": "user", "content": "hé\u2028llo"}]},
    {"id": "b", "n": 2, "score": None, "chat": None},
]


def write(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".ndjson", ".json", ".JSONL"])
@pytest.mark.parametrize("as_type", [str, Path])
def test_every_format_gives_the_same_plain_rows(tmp_path, suffix, as_type):
    assert read_rows(as_type(write(tmp_path / f"rows{suffix}", ROWS))) == ROWS


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_packed_files_are_read_as_they_are(tmp_path, suffix):
    plain = write(tmp_path / f"rows{suffix}", ROWS).read_bytes()
    (tmp_path / f"rows{suffix}.gz").write_bytes(gzip.compress(plain))
    assert read_rows(tmp_path / f"rows{suffix}.gz") == ROWS
    (tmp_path / f"torn{suffix}.gz").write_bytes(gzip.compress(plain)[:-9])
    (tmp_path / f"not{suffix}.gz").write_bytes(plain)
    for name in ("torn", "not"):
        with pytest.raises(DataError, match="cannot be read"):
            read_rows(tmp_path / f"{name}{suffix}.gz")
    (tmp_path / "rows.csv.gz").touch()
    with pytest.raises(DataError, match=r"unknown suffix '.csv.gz'"):
        read_rows(tmp_path / "rows.csv.gz")


def test_missing_values_are_none_whatever_wrote_them(tmp_path):
    frame = pd.DataFrame({"x": [1.0, np.nan], "y": ["text", None], "z": [np.inf, 0.0]})
    frame.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text('{"x": NaN, "z": Infinity}\n')
    assert read_rows(tmp_path / "rows.parquet") == [
        {"x": 1.0, "y": "text", "z": np.inf},
        {"x": None, "y": None, "z": 0.0},
    ]
    assert read_rows(tmp_path / "rows.jsonl") == [{"x": None, "z": np.inf}]


def test_messages_in_parquet_become_plain_lists_of_dicts(tmp_path):
    frame = pd.DataFrame({"chat": [np.array([{"role": "user", "content": "hi"}], dtype=object)]})
    frame.to_parquet(tmp_path / "rows.parquet")
    (row,) = read_rows(tmp_path / "rows.parquet")
    assert type(row["chat"]) is list
    assert type(row["chat"][0]) is dict


def test_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n  \n{"a": 2}')
    assert read_rows(tmp_path / "rows.jsonl") == [{"a": 1}, {"a": 2}]


def test_one_json_object_is_one_row(tmp_path):
    (tmp_path / "row.json").write_text('{\n  "a": 1,\n  "b": null\n}\n')
    assert read_rows(tmp_path / "row.json") == [{"a": 1, "b": None}]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"x", r"unknown suffix '\.csv'; known are \.parquet, \.jsonl"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', r"a\.jsonl, line 2: broken JSON"),
        ("a.jsonl", b'{"a": 1}\n[1, 2]\n', r"line 2: expected one JSON object per line, found \[1, 2\]"),
        ("a.jsonl", b'{"a": "\xff"}\n', r"not UTF-8 text \(byte 7"),
        ("a.jsonl", b"\n", r"holds no rows"),
        ("a.json", b"3", r"expected a JSON list of objects, or one object, found 3"),
        ("a.json", b'{"a": 1}\n{"a": 2}\n', r"line 2: broken JSON: Extra data .*; JSON lines end in \.jsonl"),
        ("a.json", b'[{"a": 1}, 3]', r"item 2: expected an object, found 3"),
        ("a.json", b'[\n{"a": 1},\n]', r"a\.json, line 3: broken JSON"),
        ("a.json", b"[]", r"holds no rows"),
        ("a.parquet", b"PAR1 torn", r"a\.parquet: not a readable parquet file"),
        ("a.parquet", b"", r"a\.parquet: not a readable parquet file"),
    ],
)
def test_a_broken_file_is_named_in_one_line(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=expected) as error:
        read_rows(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_torn_parquet_file_is_an_error(tmp_path):
    path = write(tmp_path / "rows.parquet", ROWS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a readable parquet file"):
        read_rows(path)


def test_an_empty_table_is_an_error(tmp_path):
    pd.DataFrame({"a": []}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="holds no rows"):
        read_rows(tmp_path / "rows.parquet")


def test_a_mistyped_name_gets_a_suggestion(tmp_path):
    write(tmp_path / "verdicts.jsonl", ROWS)
    with pytest.raises(DataError, match=r"verdict\.jsonl: no such file\. Did you mean .*/verdicts\.jsonl\?"):
        read_rows(tmp_path / "verdict.jsonl")
    with pytest.raises(DataError, match=r"pairs\.jsonl: no such file\. A dataset of the hub"):
        read_rows(tmp_path / "pairs.jsonl")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"the folder .*nowhere does not exist"):
        read_rows(str(tmp_path / "nowhere" / "rows.jsonl"))


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(DataError, match="a folder not written by save_to_disk"):
        read_rows(tmp_path)


@pytest.mark.parametrize("source", ["hub:owner/name", "owner/name"])
def test_a_dataset_without_the_library_says_what_to_install(monkeypatch, tmp_path, source):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        MissingDependencyError, match=r"owner/name needs .*pip install 'rewardrouter\[datasets\]'"
    ):
        read_rows(source)


@pytest.mark.parametrize("source", ["folder/name", "owner/rows.jsonl", Path("owner/name")])
def test_a_path_is_not_taken_for_a_dataset(monkeypatch, tmp_path, source):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="no such file"):
        read_rows(source)
