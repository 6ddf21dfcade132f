"""Where native rows come from: the hub's split and configuration, copies of it, local files."""

import json

import pytest
from native_rows import NATIVE, write_native

from rewardrouter.datasets.report import RowReport
from rewardrouter.datasets.sources import SOURCES
from rewardrouter.datasets.sources.reading import native_rows, read_each
from rewardrouter.datasets.texts import BadRow
from rewardrouter.errors import DataError, UserError


@pytest.fixture
def asked(monkeypatch):
    """What the `datasets` library is asked for; it answers with one row."""
    datasets = pytest.importorskip("datasets")
    calls = []

    def load(name, config=None, split=None):
        calls.append((name, config, split))
        return datasets.Dataset.from_list([{"question": "q", "answer": "#### 1"}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    return calls


def test_the_hub_is_asked_for_configuration_and_split(asked):
    (row,) = native_rows(SOURCES["gsm8k"], (), None)
    native_rows(SOURCES["gsm8k"], (), "test")
    native_rows(SOURCES["mmlu"], (), "test")
    native_rows(SOURCES["rm-bench"], (), None)
    assert asked == [
        ("openai/gsm8k", "main", "train"),
        ("openai/gsm8k", "main", "test"),
        ("cais/mmlu", "all", "test"),
        ("THU-KEG/RM-Bench", None, "train"),
    ]
    assert (row.values["question"], row.file, row.number) == ("q", "hub:openai/gsm8k:train", 1)


def test_another_place_on_the_hub_is_taken_as_named(asked):
    native_rows(SOURCES["gsm8k"], ["hub:openai/gsm8k:train[:9]", "hub:owner/copy"], None)
    native_rows(SOURCES["gsm8k"], ["hub:owner/copy"], "test")
    assert asked == [
        ("openai/gsm8k", "main", "train[:9]"),
        ("owner/copy", None, None),
        ("owner/copy", None, "test"),
    ]


def test_a_split_of_a_copy_is_taken_where_it_is(asked, tmp_path):
    datasets = pytest.importorskip("datasets")
    native_rows(SOURCES["gsm8k"], ["owner/copy"], "test")
    native_rows(SOURCES["mmlu"], ["hub:owner/copy"], "train")  # which is cut out of it later
    assert asked == [("owner/copy", None, "test"), ("owner/copy", None, "test")]
    one, other = (datasets.Dataset.from_list([{"question": q, "answer": "#### 1"}]) for q in "qr")
    datasets.DatasetDict({"train": one, "test": other}).save_to_disk(tmp_path / "saved")
    (row,) = native_rows(SOURCES["gsm8k"], [str(tmp_path / "saved")], "test")
    assert (row.values["question"], row.file) == ("r", str(tmp_path / "saved" / "test"))


@pytest.mark.parametrize(
    ("name", "splits"),
    [("mmlu", ("validation", "dev", "auxiliary_train")), ("ultrafeedback", ("train_sft", "test_gen"))],
)
def test_every_split_of_the_hub_can_be_named(asked, name, splits):
    for split in splits:
        native_rows(SOURCES[name], (), split)
    assert [call[2] for call in asked] == list(splits)


def test_without_the_hub_it_is_said_what_else_there_is(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def fail(*_, **__):
        raise ConnectionError("Couldn't reach it")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(
        DataError,
        match=r"Without the hub: get the file from .*/grade-school-math .*, and give it as --source FILE",
    ):
        native_rows(SOURCES["gsm8k"], (), None)
    with pytest.raises(DataError, match=r"cannot load it: Couldn't reach it$"):
        native_rows(SOURCES["gsm8k"], ["hub:owner/copy"], None)


def test_several_files_are_one_data_set(tmp_path):
    files = [write_native(tmp_path / f"{n}.json", NATIVE["rm-bench"], NATIVE["rm-bench"]) for n in "ab"]
    rows = native_rows(SOURCES["rm-bench"], [str(file) for file in files], None)
    assert [(row.file, row.number) for row in rows] == [(str(file), n) for file in files for n in (1, 2)]


def test_splits_and_places_that_do_not_fit():
    with pytest.raises(
        UserError, match=r"mmlu: no split trian. Did you mean train\? There are train, test, all"
    ):
        native_rows(SOURCES["mmlu"], (), "trian")
    with pytest.raises(UserError, match=r"--split test: rows.jsonl is one split already; leave --split out"):
        native_rows(SOURCES["gsm8k"], ["rows.jsonl"], "test")
    with pytest.raises(UserError, match=r"pandalm: not on the hub; get it from https://github.com/WeOpenML"):
        native_rows(SOURCES["pandalm"], (), None)


def test_rows_that_are_refused_are_reported(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"x": n}) + "\n" for n in range(4)))
    rows = native_rows(SOURCES["gsm8k"], [str(file)], None)
    report = RowReport()

    def odd(row):
        if row.values["x"] % 2 == 0:
            raise BadRow("no_gold_answer")
        return row.values["x"]

    assert [value for _, value in read_each(rows, odd, report)] == [1, 3]
    assert report.problems == {"no_gold_answer": ["row 1", "row 3"]}
    with pytest.raises(
        DataError, match="none of its 1 rows can be used: no gold answer: 1 row left out: row 1"
    ):
        read_each(rows[:1], odd, RowReport())
