"""Rows through the `datasets` library, from local folders only."""

import json
import sys

import pytest

from rewardrouter.datasets.rows import read_rows
from rewardrouter.errors import DataError, MissingDependencyError

ROWS = [{"id": "a", "chat": [{"role": "user", "content": "hi"}]}, {"id": "b", "chat": None}]


@pytest.fixture
def library(monkeypatch, tmp_path):
    """The library with its cache in a temporary folder and the network off."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return datasets


@pytest.fixture
def published(monkeypatch, tmp_path):
    """A dataset with two splits that the library finds as ``owner/name``."""
    folder = tmp_path / "owner" / "name"
    folder.mkdir(parents=True)
    for split, rows in {"train": ROWS, "test": ROWS[:1]}.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)


def test_a_named_split_is_read(library, published):
    assert read_rows("hub:owner/name:train") == ROWS
    assert read_rows("hub:owner/name:test") == ROWS[:1]
    assert read_rows("hub:owner/name:train[1:]") == ROWS[1:]


def test_a_single_split_needs_no_name(library, published, tmp_path):
    (tmp_path / "owner" / "name" / "test.jsonl").unlink()
    assert read_rows("hub:owner/name") == ROWS


def test_several_splits_are_not_chosen_from(library, published):
    with pytest.raises(DataError, match=r"has the splits train, test; name one: hub:owner/name:train"):
        read_rows("hub:owner/name")


def test_an_unknown_split_is_an_error(library, published):
    with pytest.raises(DataError, match=r"cannot load it: Unknown split"):
        read_rows("hub:owner/name:dev")


def test_an_unknown_dataset_is_an_error_of_one_line(library, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"nobody/nothing: the `datasets` library cannot load it") as error:
        read_rows("nobody/nothing")
    assert "\n" not in str(error.value)


def test_a_saved_dataset_is_read_in_its_own_order(library, tmp_path):
    dataset = library.Dataset.from_list(ROWS)
    dataset.save_to_disk(tmp_path / "plain")
    dataset.select([1, 0]).with_format("numpy").save_to_disk(tmp_path / "turned")
    assert read_rows(tmp_path / "plain") == ROWS
    assert read_rows(tmp_path / "turned") == ROWS[::-1]


def test_a_saved_dict_of_splits_names_its_folders(library, tmp_path):
    dataset = library.Dataset.from_list(ROWS)
    library.DatasetDict({"train": dataset}).save_to_disk(tmp_path / "one")
    library.DatasetDict({"train": dataset, "test": dataset}).save_to_disk(tmp_path / "two")
    assert read_rows(tmp_path / "one") == ROWS
    assert read_rows(tmp_path / "two" / "test") == ROWS
    with pytest.raises(DataError, match=r"has the splits train, test; name one: .*two.train"):
        read_rows(tmp_path / "two")


def test_a_broken_folder_is_an_error(library, tmp_path):
    library.Dataset.from_list(ROWS).save_to_disk(tmp_path / "saved")
    next((tmp_path / "saved").glob("*.arrow")).write_bytes(b"torn")
    with pytest.raises(DataError, match="a broken dataset folder"):
        read_rows(tmp_path / "saved")


def test_a_saved_folder_without_the_library_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "state.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        read_rows(tmp_path)
