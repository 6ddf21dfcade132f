"""Runs that go on from a checkpoint end as if they had never stopped; checkpoints are complete or do not count."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_online import ByHash, apart, laser, online, questions, router, rows, tiny_run, weights_of

from rewardrouter.annotators import Annotator
from rewardrouter.errors import CheckpointError, DataError
from rewardrouter.training.checkpoints import checkpoints, last_checkpoint
from rewardrouter.training.trainer import RoutedDPOTrainer

SAVED = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": None}


def run(checkpoint: Path, out: Path, annotator: Annotator, **settings: Any) -> RoutedDPOTrainer:
    return tiny_run(
        checkpoint, out, annotator, **{**SAVED, "learning_rate": 1e-3, "max_steps": 6, **settings}
    )


def records(out: Path) -> list[Any]:
    """What a run wrote, without its seconds."""
    steps = [
        {k: v for k, v in row.items() if not k.startswith("seconds/")} for row in rows(out / "metrics.jsonl")
    ]
    return [steps, rows(out / "decisions.jsonl")]


CASES: dict[str, tuple[Callable[[], Annotator], dict[str, Any]]] = {
    "router": (router, {}),
    "lora": (router, {"adapter": True, "lr_scheduler_type": "linear"}),
    "parts": (laser, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}),
    "overlap": (router, {"settings": online(overlap=True)}),
    "overlap, epochs": (
        laser,
        {"settings": online(overlap=True), "prompts": questions(9), "max_steps": -1, "num_train_epochs": 3},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_resumed_anywhere_ends_as_an_uninterrupted_one(
    tiny_llama: Path, tmp_path: Path, case: str
) -> None:
    made, settings = CASES[case]
    whole = run(tiny_llama, tmp_path / "whole", made(), **settings)
    whole.train()
    assert [folder.name for folder in checkpoints(tmp_path / "whole")] == [
        f"checkpoint-{n}" for n in range(1, 7)
    ]
    for stop in (1, 2, 3, 5, 6):
        out = tmp_path / f"from {stop}"
        shutil.copytree(tmp_path / "whole", out)
        annotator = made()
        resumed = run(tiny_llama, out, annotator, **settings)
        resumed.train(resume_from_checkpoint=str(out / f"checkpoint-{stop}"))
        assert records(out) == records(tmp_path / "whole")
        assert apart(weights_of(resumed), weights_of(whole)) == 0.0


def test_resuming_takes_the_newest_checkpoint_and_drops_what_is_no_checkpoint(
    tiny_llama: Path, tmp_path: Path
) -> None:
    whole = run(tiny_llama, tmp_path / "whole", router())
    whole.train()
    out = tmp_path / "killed"
    shutil.copytree(tmp_path / "whole", out)
    (out / "checkpoint-6" / "complete.json").unlink()  # killed while it was written
    with (out / "decisions.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 7, "decis')  # or while a line was
    resumed = run(tiny_llama, out, router())
    resumed.train(resume_from_checkpoint=True)
    assert records(out) == records(tmp_path / "whole")
    assert apart(weights_of(resumed), weights_of(whole)) == 0.0
    assert last_checkpoint(out) == out / "checkpoint-6"


def test_resuming_without_a_checkpoint_begins_anew(tiny_llama: Path, tmp_path: Path) -> None:
    run(tiny_llama, tmp_path / "whole", router(), save_strategy="no").train()
    out = tmp_path / "again"
    out.mkdir()
    for name in ("metrics.jsonl", "decisions.jsonl"):
        (out / name).write_text('{"step": 1', encoding="utf-8")
    run(tiny_llama, out, router(), save_strategy="no").train(resume_from_checkpoint=True)
    assert records(out) == records(tmp_path / "whole")


def test_as_many_checkpoints_are_kept_as_asked(tiny_llama: Path, tmp_path: Path) -> None:
    run(tiny_llama, tmp_path, ByHash(), save_total_limit=2).train()
    assert [folder.name for folder in checkpoints(tmp_path)] == ["checkpoint-5", "checkpoint-6"]
    assert not (tmp_path / "checkpoint-1").exists()


def test_the_only_pickles_are_those_that_transformers_reads_back_as_plain_tensors(
    tiny_llama: Path, tmp_path: Path
) -> None:
    trainer = run(tiny_llama, tmp_path, router(), max_steps=1, settings=online(overlap=True))
    trainer.train()
    trainer.save_model(str(tmp_path / "policy"))
    found = {file.name for file in tmp_path.rglob("*") if file.suffix in (".bin", ".pt", ".pth", ".pkl")}
    assert found == {"optimizer.pt", "scheduler.pt", "rng_state.pth"}


def test_a_checkpoint_that_is_not_ours_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    run(tiny_llama, tmp_path, router(), max_steps=1).train()
    folder = tmp_path / "checkpoint-1"
    other = shutil.copytree(folder, tmp_path / "other" / "checkpoint-1")
    (other / "complete.json").unlink()
    with pytest.raises(
        CheckpointError, match=r"other/checkpoint-1: not a complete checkpoint of rewardrouter"
    ):
        run(tiny_llama, tmp_path / "next", router()).train(resume_from_checkpoint=str(other))
    (folder / "complete.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"complete\.json: broken"):
        run(tiny_llama, tmp_path, router()).train(resume_from_checkpoint=True)


def test_a_checkpoint_of_another_annotator_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    run(tiny_llama, tmp_path, laser(), max_steps=1).train()
    with pytest.raises(CheckpointError, match="bandit LinUCB"):
        run(tiny_llama, tmp_path, router()).train(resume_from_checkpoint=True)


def test_a_checkpoint_with_other_prompts_is_refused_where_it_holds_some(
    tiny_llama: Path, tmp_path: Path
) -> None:
    settings = {"settings": online(overlap=True)}
    run(tiny_llama, tmp_path, router(), **settings).train()
    shutil.rmtree(tmp_path / "checkpoint-6")
    others = [{"prompt": f"Another {n}?"} for n in range(24)]
    with pytest.raises(
        CheckpointError, match=r"sampled-ahead-0\.json: broken .*go on from another checkpoint"
    ):
        run(tiny_llama, tmp_path, router(), prompts=others, **settings).train(resume_from_checkpoint=True)


def test_records_that_were_cut_are_noticed(tiny_llama: Path, tmp_path: Path) -> None:
    run(tiny_llama, tmp_path, router(), max_steps=2).train()
    (tmp_path / "decisions.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"decisions\.jsonl: shorter than its checkpoint says"):
        run(tiny_llama, tmp_path, router()).train(resume_from_checkpoint=True)


def test_what_was_sampled_ahead_is_in_the_checkpoint(tiny_llama: Path, tmp_path: Path) -> None:
    run(tiny_llama, tmp_path, laser(), settings=online(overlap=True), max_steps=2).train()
    ahead = json.loads((tmp_path / "checkpoint-1" / "sampled-ahead-0.json").read_text(encoding="utf-8"))
    assert ahead["experience"]["step"] == 2
    assert not (tmp_path / "checkpoint-2" / "sampled-ahead-0.json").exists(), "there is no third step"


@pytest.mark.parametrize("overlap", [False, True])
def test_a_run_killed_after_its_last_checkpoint_takes_no_further_step(
    tiny_llama: Path, tmp_path: Path, overlap: bool
) -> None:
    """The last step lies inside an epoch."""
    settings = {"max_steps": 2, "settings": online(overlap=overlap)}
    whole = run(tiny_llama, tmp_path, router(), **settings)
    whole.train()
    before = records(tmp_path)
    again = run(tiny_llama, tmp_path, router(), **settings)
    again.train(resume_from_checkpoint=True)
    assert records(tmp_path) == before
    assert again.state.global_step == 2
    assert apart(weights_of(again), weights_of(whole)) == 0.0


def test_what_several_processes_sampled_ahead_is_not_taken_for_all(tiny_llama: Path, tmp_path: Path) -> None:
    settings = {"settings": online(overlap=True), "max_steps": 3}
    run(tiny_llama, tmp_path, router(), **settings).train()
    folder = tmp_path / "checkpoint-2"
    shutil.copy(folder / "sampled-ahead-0.json", folder / "sampled-ahead-1.json")
    with pytest.raises(
        CheckpointError, match="what 2 processes had sampled ahead, but here are 1; go on with as many"
    ):
        run(tiny_llama, tmp_path, router(), **settings).train(resume_from_checkpoint=str(folder))
