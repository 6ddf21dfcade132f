"""A run from its configuration to its summary, killed and resumed at will.

RUN/config.yaml          settings
    metrics.jsonl        a line per step (``training.monitor``)
    decisions.jsonl      a line per pair
    checkpoint-N/        where an interrupted run goes on (``training.checkpoints``)
    policy/              the trained policy, or its adapter, as save_pretrained writes it
    annotator.safetensors  what the annotator has learnt
    verified-before.json, verified-after.json   which evaluation prompts are answered rightly
    README.md            TRL's card of the policy, written with every checkpoint
    summary.json         the figures; its presence says that the run is done
"""

from __future__ import annotations

import contextlib
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState

from rewardrouter import run_folders
from rewardrouter.config.loading import dump_config, load_config
from rewardrouter.config.train import EvaluationSettings, TrainConfig
from rewardrouter.datasets.rows import read_rows
from rewardrouter.errors import ConfigError, UserError
from rewardrouter.files import Journal, write_text_atomically
from rewardrouter.phases import Phase
from rewardrouter.pretrained.loading import quiet_transformers
from rewardrouter.progress import log, progress
from rewardrouter.state import save_state
from rewardrouter.training.assembly import Run, assemble
from rewardrouter.training.evaluation import Verified, evaluate_policy
from rewardrouter.training.processes import is_first
from rewardrouter.training.prompts import lay_out_prompts

_MAY_CHANGE = ("save_every", "keep", "log_every", "report_to")
"""Settings that a resumed run may be given anew, beside ``generation.vllm``: they decide no label and no weight."""


class TrainingRun:
    """A run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config_file = folder / run_folders.CONFIG_FILE
        self.policy = folder / "policy"
        self.metrics = Journal(folder / "metrics.jsonl")
        self.decisions = Journal(folder / "decisions.jsonl")
        self._summary = folder / "summary.json"

    @property
    def done(self) -> bool:
        """Whether it was run to its end."""
        return self._summary.exists()

    @property
    def summary(self) -> dict[str, Any]:
        """The figures of a finished run."""
        found: dict[str, Any] = json.loads(self._summary.read_text(encoding="utf-8"))
        return found

    def verified(self, when: str) -> Path:
        """Return the file of an evaluation, ``before`` or ``after`` training."""
        return self.folder / f"verified-{when}.json"

    def finish(self, summary: dict[str, Any]) -> None:
        """Mark the run as done."""
        write_text_atomically(self._summary, json.dumps(summary, indent=1, allow_nan=False) + "\n")

    @contextlib.contextmanager
    def opened(self, config: TrainConfig, *, resume: bool) -> Iterator[None]:
        """Begin the run, or go on with it, while nobody else does; only the first process looks after the folder.

        Raises
        ------
        UserError
            If the folder holds something else, a run where none is resumed, or another process is at work in it.
        ConfigError
            If the run in it has other settings.
        """
        if not is_first():
            yield
            return

        def begin(written: Path) -> None:
            write_text_atomically(written, dump_config(config))

        def go_on(written: Path) -> None:
            if not resume:
                raise UserError(
                    f"--out {self.folder}: holds a run; go on with --resume {self.folder}, or give another folder"
                )
            _check_same(written, config)
            begin(written)

        with run_folders.opened(
            self.folder,
            begin=begin,
            go_on=go_on,
            undo=lambda: not (self.metrics.path.exists() or self.verified("before").exists()),
        ):
            yield


def train_run(config: TrainConfig, folder: Path, *, resume: bool, quiet: bool = False) -> None:
    """Train, from the start or where it was interrupted, and write the summary.

    ``quiet`` shows no progress.

    Raises
    ------
    UserError
        If the folder or a setting does not allow it (:meth:`TrainingRun.opened`, :func:`assemble`).
    """
    run = TrainingRun(folder)
    with run.opened(config, resume=resume), quiet_libraries():
        if run.done:
            return
        with contextlib.closing(assemble(config, folder)) as made:
            trainer = made.trainer
            _evaluate(made, config, run, "before")
            with contextlib.nullcontext() if quiet else _shown(made):
                trainer.train(resume_from_checkpoint=resume)
            _evaluate(made, config, run, "after")
            trainer.save_model(str(run.policy))
            if made.annotator is not None:
                save_state(made.annotator.state_dict(), folder / "annotator.safetensors")
                run.finish(_summary(config, run))
            trainer.accelerator.wait_for_everyone()


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Leave out transformers' bars, and what it and TRL say of each other's coming versions."""
    with quiet_transformers(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


@contextlib.contextmanager
def _shown(made: Run) -> Iterator[None]:
    with progress("steps", None) as advance:
        made.trainer.add_callback(_Telling(advance))
        yield


class _Telling(TrainerCallback):
    """Says what happens: a line whenever the loop logs."""

    def __init__(self, advance: Any) -> None:
        self._advance, self._began, self._step = advance, time.perf_counter(), 0

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._advance(1)

    def on_log(self, *given: Any, **named: Any) -> None:
        state: TrainerState = given[1]
        logs: dict[str, float] | None = named.get("logs")
        if not logs or "labelled" not in logs or not state.is_world_process_zero:
            return
        now, steps = time.perf_counter(), max(1, state.global_step - self._step)
        told = [
            f"Step {state.global_step:>4}/{state.max_steps}",
            f"{(now - self._began) / steps:.2f} s",
            f"DPO loss {logs['loss']:.3f}",
        ]
        for name, key in (
            ("bandit reward", "bandit_reward"),
            ("labels right", "annotation_accuracy"),
            ("responses right", "right"),
        ):
            told += [f"{name} {logs[key]:.2f}"] if key in logs else []
        told += [f"RM calls {logs['calls_per_pair']:.2f} per pair", f"dropped {logs['dropped']:.1f}"]
        log(" | ".join(told))
        self._began, self._step = now, state.global_step


def _evaluate(made: Run, config: TrainConfig, run: TrainingRun, when: str) -> None:
    """Measure the policy, unless that was done before the run was interrupted."""
    trainer, file = made.trainer, run.verified(when)
    if config.evaluation is None or made.verifier is None or file.exists():
        return
    found = evaluate_policy(
        trainer.model,
        trainer.processing_class,
        evaluation_prompts(config, config.evaluation, trainer.processing_class),
        made.verifier,
        trainer.accelerator,
        max_new_tokens=config.generation.max_new_tokens,
        batch_size=config.evaluation.batch_size,
    )
    trainer.accelerator.wait_for_everyone()
    if trainer.accelerator.is_main_process:
        write_text_atomically(file, json.dumps(_as_json(found)) + "\n")


def evaluation_prompts(config: TrainConfig, settings: EvaluationSettings, tokenizer: Any) -> Any:
    """Return the prompts that the policy is measured on, laid out as those of training."""
    rows = read_rows(settings.source)[: settings.limit]
    return lay_out_prompts(rows, tokenizer, config.online.prompts).prompts


def _as_json(found: Verified) -> dict[str, Any]:
    return {"accuracy": found.accuracy, "by_domain": found.by_domain, "right": found.right}


def _check_same(path: Path, config: TrainConfig) -> None:
    before, now = (one.model_dump(mode="json") for one in (load_config(TrainConfig, path), config))
    if config.generation.vllm is not None:  # where the server is, and how it is asked
        before["generation"]["vllm"] = now["generation"]["vllm"]
    for name, value in before.items():
        if name not in _MAY_CHANGE and now[name] != value:
            raise ConfigError(
                f"{name}: the run in {path.parent} has {value}, found {now[name]}; give another --out"
            )


def _summary(config: TrainConfig, run: TrainingRun) -> dict[str, Any]:
    steps = list(run.metrics.rows())
    told = [row["right"] for row in run.decisions.rows() if row["right"] is not None]
    phases: dict[Phase, float] = {}
    for row in steps:
        for key, value in row.items():
            if key.startswith("seconds/"):
                phases[key.removeprefix("seconds/")] = phases.get(key.removeprefix("seconds/"), 0.0) + value  # type: ignore[index,call-overload]
    summary: dict[str, Any] = {
        "strategy": config.annotator.strategy,
        "seed": config.seed,
        "steps": len(steps),
        "pairs": sum(row["pairs"] for row in steps),
        "labelled": sum(row["labelled"] for row in steps),
        "calls": round(sum(row["calls_per_pair"] * row["pairs"] for row in steps if row["pairs"])),
        "failed_calls": sum(row["failed_calls"] for row in steps),
        "annotation_accuracy": sum(told) / len(told) if told else None,
        "wall_seconds": sum(phases.values()),  # of all sessions, where it was interrupted
        "seconds": phases,
    }
    for when in ("before", "after"):
        if run.verified(when).exists():
            found = json.loads(run.verified(when).read_text(encoding="utf-8"))
            summary[when] = {"accuracy": found["accuracy"], "by_domain": found["by_domain"]}
    return summary
