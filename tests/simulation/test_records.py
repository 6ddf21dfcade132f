"""Records of a unit: cut back to a checkpoint, packed when done."""

from __future__ import annotations

import pytest

from rewardrouter.errors import DataError
from rewardrouter.simulation.records import UnitFiles


def batch(number):
    return [{"id": f"{number}/{i}", "name": "é"} for i in range(2)], {"batch": number}


def test_going_on_cuts_off_what_came_after_the_checkpoint(tmp_path):
    whole, killed = UnitFiles(tmp_path / "whole"), UnitFiles(tmp_path / "killed")
    for files in (whole, killed):
        files.begin({})
        files.append(*batch(1))
    lengths = killed.lengths()
    killed.append(*batch(2))
    with (killed.folder / "metrics.jsonl").open("a") as torn:
        torn.write('{"ba')
    killed.begin(lengths)
    for files in (whole, killed):
        files.append(*batch(2))
        files.append(*batch(3))
    assert list(killed.decisions()) == list(whole.decisions())
    assert killed.metrics() == whole.metrics() == [{"batch": 1}, {"batch": 2}, {"batch": 3}]


def test_beginning_anew_leaves_nothing_of_before(tmp_path):
    files = UnitFiles(tmp_path / "unit")
    files.begin({})
    files.append(*batch(1))
    files.begin({})
    assert list(files.decisions()) == []


def test_finished_it_is_packed_and_reads_the_same(tmp_path):
    files = UnitFiles(tmp_path / "unit")
    files.begin({})
    files.append(*batch(1))
    files.checkpoint.write_bytes(b"x")
    before = list(files.decisions())
    assert not files.done
    files.finish({"seed": 0})
    assert files.done
    assert list(files.decisions()) == before
    assert files.summary() == {"seed": 0}
    assert {file.name for file in files.folder.iterdir()} == {
        "decisions.jsonl.gz",
        "metrics.jsonl",
        "summary.json",
    }


def test_a_file_shorter_than_its_checkpoint_is_refused(tmp_path):
    files = UnitFiles(tmp_path / "unit")
    files.begin({})
    with pytest.raises(DataError, match=r"decisions\.jsonl: shorter than its checkpoint says"):
        files.begin({"decisions.jsonl": 10, "metrics.jsonl": 0})
