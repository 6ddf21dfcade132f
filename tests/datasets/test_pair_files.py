"""Tables of pairs: forms of texts, columns of one type, files all at once."""

import pyarrow as pa
import pytest

from rewardrouter.datasets.pair_files import pairs_table, write_table
from rewardrouter.datasets.pairs import pairs_of_rows
from rewardrouter.errors import DataError

TEXT = {"id": "t", "prompt": "p", "response_a": "x", "response_b": "y", "label": "A", "n": 1}
CHAT = TEXT | {"id": "c", "prompt": [{"role": "user", "content": "u"}], "label": None, "n": 2}


def table(*rows):
    return pairs_table(pairs_of_rows(list(rows), "rows"))


def test_a_column_is_all_text_or_all_chat():
    found = table(TEXT, CHAT).to_pylist()
    assert [row["prompt"] for row in found] == [[{"role": "user", "content": text}] for text in "pu"]
    assert [row["response_a"] for row in found] == ["x", "x"]
    assert [row["label"] for row in found] == ["A", None]


def test_without_labels_there_is_no_such_column():
    assert table(CHAT).column_names == ["id", "prompt", "response_a", "response_b", "n"]


def test_a_column_of_several_types_is_kept_as_text(capsys):
    assert table(TEXT, CHAT | {"n": "two"})["n"].to_pylist()[1] == "two"
    assert "column n: holds what a table cannot; kept as text" in capsys.readouterr().err


def test_a_file_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "pairs.jsonl"
    write_table(out, pa.table({"id": ["a", "b"], "label": ["A", None]}))
    assert out.read_text() == '{"id": "a", "label": "A"}\n{"id": "b"}\n'
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(DataError, match="cannot be written"):
        write_table(tmp_path / "nowhere" / "pairs.jsonl", pa.table({"id": ["a"]}))
