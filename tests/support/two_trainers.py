"""Online DPO on two processes: a script for a launcher, told which jobs to do, a checkpoint and where to write."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tiny_online import ByHash, laser, online, router, tiny_run, weights_of

from rewardrouter.annotators import Annotation, Annotator, Outcome, StepContext
from rewardrouter.errors import DataError
from rewardrouter.pairs import PreferencePair
from rewardrouter.state import save_state
from rewardrouter.training.processes import process_state
from rewardrouter.training.trainer import RoutedDPOTrainer


class Breaking(ByHash):
    """An annotator that fails in the second step."""

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        if step.step == 2:
            raise OSError("the reward model is gone")
        return super().annotate(pairs, step)


class Misused(ByHash):
    """An annotator whose second outcomes show a mistake of the user."""

    def observe(self, outcomes: Mapping[str, Outcome]) -> None:
        super().observe(outcomes)
        if len(self.told) == 2:
            raise DataError("gold.jsonl: has no such pair")


@dataclasses.dataclass(frozen=True)
class Job:
    """One run; ``parts`` is the number of micro-batches, ``resumed`` says that it is run again from its second step."""

    annotator: Callable[[], Annotator]
    parts: int = 1
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    resumed: bool = False


ADAPTER = {"adapter": True, "learning_rate": 1.0}
SAVED = {"save_strategy": "steps", "save_steps": 2}


JOBS = {
    "router": Job(router),
    "router-parts": Job(router, parts=2),
    "router-lora": Job(router, settings=ADAPTER),
    "laser-lora": Job(laser, parts=2, settings=ADAPTER),
    "laser-epochs": Job(laser, settings={"max_steps": -1, "num_train_epochs": 2}),
    "dropping": Job(lambda: ByHash(dropping=True, weighing=True), parts=2),
    "overlap": Job(router, settings={"settings": online(overlap=True), **SAVED}),
    "resumed": Job(laser, parts=2, settings={"settings": online(overlap=True), **SAVED}, resumed=True),
    "breaking": Job(Breaking),
    "misused": Job(Misused),
}


def trained(name: str, checkpoint: Path, out: Path, processes: int) -> RoutedDPOTrainer:
    """Do a job on eight prompts a step, and write weights and state beside its records."""
    job = JOBS[name]
    trainer = _once(name, job, checkpoint, out, processes, None)
    if job.resumed and processes == 2:
        trainer = _once(name, job, checkpoint, out, processes, str(out / name / "checkpoint-2"))
    return trainer


def _once(
    name: str, job: Job, checkpoint: Path, out: Path, processes: int, start: str | None
) -> RoutedDPOTrainer:
    state = process_state()
    annotator = job.annotator() if state.is_main_process else None
    # Plain descent: Adam would make a step of the learning rate out of a rounding error.
    settings = {"optim": "sgd", "learning_rate": 0.1, "beta": 0.1, "max_steps": 4, **job.settings}
    trainer = tiny_run(
        checkpoint,
        out / name,
        annotator,
        per_device_train_batch_size=8 // processes // job.parts,
        gradient_accumulation_steps=job.parts,
        **settings,
    )
    trainer.train(resume_from_checkpoint=start)
    save_file(weights_of(trainer), out / name / f"weights-{state.process_index}.safetensors")
    if annotator is not None:
        save_state(annotator.state_dict(), out / name / "annotator.safetensors")
    return trainer


if __name__ == "__main__":
    torch.set_num_threads(1)
    names, checkpoint, out = sys.argv[1].split(","), Path(sys.argv[2]), Path(sys.argv[3])
    for name in names:
        trained(name, checkpoint, out, processes=2)
