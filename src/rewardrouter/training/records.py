"""What a run leaves behind, written by the first process: ``metrics.jsonl``, ``decisions.jsonl``, its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState, TrainingArguments

from rewardrouter.annotators import Annotator, Outcome
from rewardrouter.files import Journal
from rewardrouter.state import State
from rewardrouter.training.checkpoints import complete, load_complete
from rewardrouter.training.labelling import Labelling
from rewardrouter.training.monitor import Monitor
from rewardrouter.training.responses import Verifier


class RunRecords:
    """The records of one run in ``folder``."""

    def __init__(self, folder: Path, annotator: Annotator, verifier: Verifier | None) -> None:
        self._annotator, self._monitor = annotator, Monitor(annotator, verifier)
        self._decisions = Journal(folder / "decisions.jsonl")
        self._metrics = Journal(folder / "metrics.jsonl")

    def begin(self, checkpoint: Path | None) -> None:
        """Begin anew, or where a checkpoint was: the annotator's state is restored, later lines are dropped.

        Raises
        ------
        CheckpointError
            If the checkpoint is not complete, or belongs to another annotator.
        """
        lengths: Mapping[str, int] = {}
        if checkpoint is not None:
            state, record = load_complete(checkpoint)
            self._annotator.load_state_dict(state.part("annotator"))
            self._monitor.load_state_dict(state.part("monitor"))
            lengths = record["lengths"]
        for journal in (self._decisions, self._metrics):
            journal.begin(lengths.get(journal.path.name, 0))

    def write(
        self, labelling: Labelling, outcomes: Mapping[str, Outcome], others: Mapping[str, float]
    ) -> dict[str, float]:
        """Record a finished step; return its metrics, ``others`` among them."""
        decisions = self._monitor.decisions(labelling, outcomes)
        metrics = {"step": labelling.step, **self._monitor.metrics(decisions), **others}
        self._decisions.append(decisions)
        self._metrics.append([metrics])
        return metrics

    def save(self, checkpoint: Path, keep: int | None) -> None:
        """Complete a checkpoint with the annotator's state, and remove the oldest beyond ``keep``."""
        state = State.joined(annotator=self._annotator.state_dict(), monitor=self._monitor.state_dict())
        lengths = {journal.path.name: journal.length for journal in (self._decisions, self._metrics)}
        complete(checkpoint, state, {"lengths": lengths}, keep)


class Callbacks(TrainerCallback):
    """Calls ``steps`` before every optimiser step, ``stepped`` after it, ``saved`` when a checkpoint is written."""

    def __init__(
        self, steps: Callable[[], None], stepped: Callable[[], None], saved: Callable[[Path], None]
    ) -> None:
        self._steps, self._stepped, self._saved = steps, stepped, saved

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        """See the class."""
        self._steps()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """See the class."""
        self._stepped()

    def on_save(self, *given: Any, **_: Any) -> None:
        """See the class."""
        args: TrainingArguments = given[0]
        state: TrainerState = given[1]
        self._saved(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
