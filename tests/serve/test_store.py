"""What survives: a state replaced at once, and a log that is whole up to its last acknowledged line."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil

import numpy as np
import pytest

from rewardrouter.errors import CheckpointError, ConfigError, DataError
from rewardrouter.serve.store import LOCK_FILE, LOG_FILE, PROBE_BYTES, PROBE_FILE, STATE_FILE, Store
from rewardrouter.state import State


def events(*numbers):
    return [{"seq": n, "kind": "x", "text": "ä\ud800\n"} for n in numbers]


def read(folder, after=0):
    store = Store(folder)
    try:
        return [event["seq"] for event in store.events(after)]
    finally:
        store.close()


def written(folder, *numbers):
    store = Store(folder)
    store.append(events(*numbers))
    store.close()


def test_events_come_back_in_order(tmp_path):
    written(tmp_path, 1, 2)
    written(tmp_path, 3)
    assert read(tmp_path) == [1, 2, 3]
    assert read(tmp_path, after=2) == [3]


def test_at_whatever_byte_the_last_line_is_torn_the_others_stand(tmp_path):
    written(tmp_path, 1, 2)
    whole = (tmp_path / LOG_FILE).read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        (tmp_path / LOG_FILE).write_bytes(whole[:end])
        assert read(tmp_path) == [1]
    (tmp_path / LOG_FILE).write_bytes(whole[: first + 5])
    written(tmp_path, 2)
    assert read(tmp_path) == [1, 2]


def test_a_state_empties_the_log_and_a_death_in_between_does_no_harm(tmp_path):
    store = Store(tmp_path)
    store.append(events(1, 2))
    log = (tmp_path / LOG_FILE).read_bytes()
    store.save(State({"a": np.ones(2)}, {"seq": 2}))
    assert store.log_bytes == 0
    store.close()
    (tmp_path / LOG_FILE).write_bytes(log)
    store = Store(tmp_path)
    assert store.state().value("seq", int) == 2
    assert list(store.events(2)) == []
    store.append(events(3))
    assert [event["seq"] for event in store.events(2)] == [3]
    store.close()


def test_a_gap_or_a_broken_line_is_not_passed_over(tmp_path):
    written(tmp_path, 1, 3)
    with pytest.raises(DataError, match="line 2: event 3 follows 1"):
        read(tmp_path)
    (tmp_path / LOG_FILE).write_bytes(b'{"seq": 1}\nnonsense\n')
    with pytest.raises(DataError, match="line 2: not an event"):
        read(tmp_path)
    (tmp_path / STATE_FILE).write_bytes(b"nonsense")
    store = Store(tmp_path)
    with pytest.raises(CheckpointError):
        store.state()
    store.close()


def test_one_process_at_a_time(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ConfigError, match="another gateway uses this folder"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match="cannot be used"):
        Store(file)


@pytest.mark.parametrize("name", [LOG_FILE, LOCK_FILE, PROBE_FILE])
def test_a_folder_that_cannot_be_written_is_refused_and_left_to_others(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match=r"state .*: cannot be used: Is a directory"):
        Store(tmp_path)
    (tmp_path / name).rmdir()
    Store(tmp_path).close()


def test_a_disk_that_is_full_at_the_start_is_refused(tmp_path):
    written(tmp_path, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PROBE_BYTES // 2, hard))
    try:
        with pytest.raises(ConfigError, match=r"state .*: cannot be used: File too large"):
            Store(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read(tmp_path) == [1]
    assert {file.name for file in tmp_path.iterdir()} == {LOG_FILE, LOCK_FILE}


def test_nothing_is_written_into_a_log_that_was_removed(tmp_path):
    store = Store(tmp_path / "state")
    store.append(events(1))
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "state").touch()
    with pytest.raises(OSError, match=r"log\.jsonl was removed"):
        store.append(events(2))
    with pytest.raises(DataError, match="cannot be read: Not a directory"):
        list(store.events(0))
    store.close()


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.append(events(1))
    write = os.write

    def full(descriptor, data):
        write(descriptor, bytes(data[:10]))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        store.append(events(2))
    monkeypatch.undo()
    store.append(events(2))
    assert [json.loads(line)["seq"] for line in (tmp_path / LOG_FILE).open()] == [1, 2]
    store.close()
