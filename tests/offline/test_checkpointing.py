"""However often a training is interrupted, and wherever it is killed, it ends as if it never was."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from training_jobs import Job, Run, frozen_job, full_job

from rewardrouter.errors import CheckpointError
from rewardrouter.offline.checkpointing import remove_checkpoint


@pytest.fixture(params=["frozen", "tiny_bert", "tiny_qwen2"])
def job(request: pytest.FixtureRequest) -> Job:
    return frozen_job() if request.param == "frozen" else full_job(request.getfixturevalue(request.param))


class Stopped(Exception):  # noqa: N818 - an interruption is no error
    pass


def at_step(step: int, act: Callable[[], None]) -> Callable[[int], None]:
    """Return an ``advance`` that acts once ``step`` steps are done, those before a resumption included."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if done >= step:
            act()

    return advance


def interrupt() -> None:
    raise Stopped


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(work: Callable[[], object]) -> None:
    """Do ``work`` in a process of its own, which must be killed while at it."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def assert_same(found: Run, expected: Run) -> None:
    assert found.fit.validation == expected.fit.validation
    weights, others = expected.weights, found.weights
    assert weights.keys() == others.keys()
    assert [name for name, value in weights.items() if not torch.equal(value, others[name])] == []


@pytest.mark.parametrize("steps", [(1,), (3,), (4,), (5, 7, 11), (12,)])
def test_interrupted_and_resumed_is_uninterrupted_bit_for_bit(job, steps, tmp_path):
    expected = job.run()
    for step in steps:
        with pytest.raises(Stopped):
            job.run(tmp_path / "training", at_step(step, interrupt))
    assert_same(job.run(tmp_path / "training"), expected)


def test_killed_and_resumed_is_uninterrupted_bit_for_bit(job, tmp_path):
    expected = job.run()
    folder = tmp_path / "training"
    for step in (2, 4, 8, 10):
        killed(lambda step=step: job.run(folder, at_step(step, kill)))
    resumed: list[int] = []
    assert_same(job.run(folder, resumed.append), expected)
    assert resumed == [9, 1, 1, 1]  # the last checkpoint before step 10, then the rest


def killing(name: str, count: int) -> Callable[..., object]:
    """Return ``Path``'s or ``shutil``'s function of that name, which kills the process at its ``count``-th call."""
    original, calls = getattr(Path if name == "replace" else shutil, name), 0

    def deadly(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == count:
            kill()
        return original(*arguments, **options)

    return deadly


PLACES = [*(("replace", n) for n in range(1, 6)), *(("rmtree", n) for n in range(1, 9))]


@pytest.mark.parametrize(
    "places",
    [
        *((place, place) for place in PLACES),
        *((("replace", 3), (name, n)) for name in ("replace", "rmtree") for n in (1, 2)),
    ],
    ids=str,
)
def test_killed_within_a_save_keeps_the_last_whole_checkpoint(places, tmp_path, monkeypatch):
    """Every place between two changes of the file system, then another one, as the first one left it."""
    job, folder = frozen_job().with_gradient(checkpoint_steps=2), tmp_path / "training"
    expected = job.run()
    kept = -1
    for name, count in places:

        def work(name: str = name, count: int = count) -> None:
            monkeypatch.setattr(Path if name == "replace" else shutil, name, killing(name, count))
            job.run(folder)

        killed(work)
        told: list[int] = []
        with pytest.raises(Stopped):
            job.run(folder, lambda step, told=told: (told.append(step), interrupt()))
        assert told[0] >= kept  # no step that was ever kept is lost
        kept = told[0]
    assert_same(job.run(folder), expected)


def test_killed_between_the_two_renames_resumes_from_the_old_one(tmp_path):
    job, folder = frozen_job(), tmp_path / "training"
    expected = job.run()
    with pytest.raises(Stopped):
        job.run(folder, at_step(7, interrupt))
    folder.rename(tmp_path / "training.old")
    with pytest.raises(Stopped):
        job.run(folder, at_step(8, interrupt))
    told: list[int] = []
    assert_same(job.run(folder, told.append), expected)
    assert told[0] == 6


def test_a_finished_training_is_not_trained_again(job, tmp_path):
    first = job.run(tmp_path / "training")
    told: list[int] = []
    assert_same(job.run(tmp_path / "training", told.append), first)
    assert told == [12]


@pytest.mark.parametrize(
    "change",
    [
        lambda job: job.with_gradient(learning_rate=0.02),
        lambda job: dataclasses.replace(job, config=job.config.model_copy(update={"seed": 1})),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(change, tmp_path):
    with pytest.raises(Stopped):
        frozen_job().run(tmp_path / "training", at_step(4, interrupt))
    with pytest.raises(CheckpointError, match="has other settings; delete it to start anew") as caught:
        change(frozen_job()).run(tmp_path / "training")
    assert "\n" not in str(caught.value)


def other_labels(job: Job) -> Job:
    return dataclasses.replace(job, table=dataclasses.replace(job.table, winners=-job.table.winners))


def fewer_rms(job: Job) -> Job:
    return dataclasses.replace(job, table=job.table.pool(job.table.rms[:2]))


def renamed_rms(job: Job) -> Job:
    return dataclasses.replace(job, table=dataclasses.replace(job.table, rms=("a", "b", "c")))


def other_texts(job: Job) -> Job:
    return dataclasses.replace(job, vectors=job.vectors.select(np.arange(40)[::-1].copy()))


@pytest.mark.parametrize("change", [other_labels, fewer_rms, renamed_rms, other_texts])
def test_a_checkpoint_of_other_data_is_refused(change, tmp_path):
    with pytest.raises(Stopped):
        frozen_job().run(tmp_path / "training", at_step(4, interrupt))
    with pytest.raises(CheckpointError, match="has other training data; delete it to start anew"):
        change(frozen_job()).run(tmp_path / "training")


def truncate(name: str, left: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:left])


@pytest.mark.parametrize(
    "damage",
    [
        truncate("state.safetensors", 1000),
        truncate("state.safetensors", 0),
        truncate("state.json", 100),
        lambda folder: (folder / "state.json").unlink(),
        lambda folder: (folder / "state.safetensors").unlink(),
        lambda folder: (folder / "state.json").write_text("[]"),
        lambda folder: (folder / "state.json").write_text(json.dumps({"step": 3})),
    ],
)
def test_a_broken_checkpoint_is_one_line_that_says_what_to_do(damage, tmp_path):
    folder = tmp_path / "training"
    with pytest.raises(Stopped):
        frozen_job().run(folder, at_step(4, interrupt))
    damage(folder)
    with pytest.raises(CheckpointError, match=r"cannot be read .* delete it to start anew") as caught:
        frozen_job().run(folder)
    assert "\n" not in str(caught.value)


def test_removing_leaves_nothing_of_a_killed_save_behind(tmp_path):
    for name in ("training", "training.new", "training.old", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.json").write_text("{}")
    remove_checkpoint(tmp_path / "training")
    remove_checkpoint(tmp_path / "training")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
