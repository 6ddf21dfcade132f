"""JSON lines that survive being killed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter import files
from rewardrouter.errors import DataError
from rewardrouter.files import AppendOnlyLines, Journal, file_near, write_atomically

ROWS = [{"id": "a", "text": "é\u2028"}, {"id": "b", "text": "x" * 50}, {"id": "c"}]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 200), block=st.integers(1, 40))
def test_whatever_byte_it_died_at_whole_lines_stay_and_it_goes_on(tmp_path_factory, cut, block):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    AppendOnlyLines(path).append(ROWS)
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_BLOCK", block)  # so that the search crosses blocks
        log = AppendOnlyLines(path)
    whole = content[:cut].count(b"\n")
    assert list(log.rows()) == ROWS[:whole]
    assert log.ids == {row["id"] for row in ROWS[:whole]}
    log.append(ROWS[whole:])
    assert path.read_bytes() == content
    assert log.first == ROWS[0]


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"name": 1}', b"\x00\x00", b""])
def test_a_whole_line_that_is_no_row_is_an_error(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"id": "a"}\n' + line + b"\n")
    with pytest.raises(DataError, match=r"log\.jsonl, line 2: not a JSON object with an id"):
        AppendOnlyLines(path)


@settings(max_examples=60, deadline=None)
@given(written=st.permutations("abcdeé"), order=st.permutations("abcdeé"), named=st.integers(0, 6))
def test_lines_are_put_into_the_order_of_ids_those_not_named_last(tmp_path_factory, written, order, named):
    log = AppendOnlyLines(tmp_path_factory.mktemp("log") / "log.jsonl")
    log.append({"id": name, "text": name * 3} for name in written)
    lines = log.path.read_bytes().splitlines()
    log.arrange(order[:named])
    expected = [*order[:named], *(name for name in written if name not in order[:named])]
    assert [row["id"] for row in log.rows()] == expected
    assert sorted(log.path.read_bytes().splitlines()) == sorted(lines)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out"
    path.write_text("before")

    def fails(file):
        file.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_atomically(path, fails)
    assert path.read_text() == "before"
    write_atomically(path, lambda file: file.write_text("after"))
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_journal_goes_back_to_what_a_checkpoint_knows(tmp_path):
    journal = Journal(tmp_path / "deeper" / "metrics.jsonl")
    journal.begin(0)
    journal.append([{"step": 1}, {"step": 2}])
    known = journal.length
    journal.append([{"step": 3}])
    again = Journal(journal.path)
    again.begin(known)
    assert list(again.rows()) == [{"step": 1}, {"step": 2}]
    again.append([{"step": 3, "text": "\u00e9"}])
    assert list(again.rows())[-1] == {"step": 3, "text": "\u00e9"}
    with pytest.raises(DataError, match="shorter than its checkpoint says"):
        Journal(journal.path).begin(again.length + 1)
    journal.begin(0)
    assert list(journal.rows()) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("verdict.jsonl", "verdicts.jsonl"),
        ("Verdicts.jsonl", "verdicts.jsonl"),
        ("verdicts.parquet", "verdicts.jsonl"),
        ("pol.yaml", "pool.yaml"),
        ("pool.yml", "pool.yaml"),
        ("pairs.jsonl", None),
        ("config.yaml", None),
        ("poo.csv.gz", "pool.csv.gz"),
        ("routr", None),  # a folder
    ],
)
def test_a_file_is_meant_only_by_almost_its_name(tmp_path, name, meant):
    for other in ("verdicts.jsonl", "pool.yaml", "pool.csv.gz", "new_pairs.jsonl", ".lock"):
        (tmp_path / other).touch()
    (tmp_path / "router").mkdir()
    expected = "" if meant is None else f" Did you mean {tmp_path / meant}?"
    assert file_near(tmp_path / name) == expected
    assert file_near(tmp_path / "routr", folders=True) == f" Did you mean {tmp_path / 'router'}?"
    assert file_near(tmp_path / "none" / name) == ""
