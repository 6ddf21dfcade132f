"""What a router has learnt goes into every checkpoint of a transformers trainer, and back out of it.

    saver = SaveRouter(reward)
    GRPOTrainer(..., reward_funcs=reward, callbacks=[saver]).train(resume_from_checkpoint=True)

The callback also shows the trainer's model to what it saves, which otherwise cannot tell training from evaluation.
"""

# ruff: noqa: ARG002 - a callback is told more than it needs

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from rewardrouter.errors import CheckpointError
from rewardrouter.integrations.feedback import WatchesPolicy
from rewardrouter.state import State, load_state, save_state

STATE_FILE = "router_state.safetensors"
"""In a checkpoint's folder."""


@runtime_checkable
class Learner(Protocol):
    """What changes while a policy is trained: a routed reward, an annotator."""

    def state_dict(self) -> State:
        """Return all that changes."""

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""


class SaveRouter(TrainerCallback):
    """Saves and restores a learner with the trainer's checkpoints.

    A checkpoint whose saving was interrupted may lack the router's file: resuming from it is refused.

    Parameters
    ----------
    learner
        The :class:`~rewardrouter.integrations.routed_reward.RoutedReward`, or the like.
    resume_from
        The checkpoint's folder, where training resumes from one that does not lie in the ``output_dir`` of the
        trainer; a trainer does not tell its callbacks.
    """

    def __init__(self, learner: Learner, *, resume_from: Path | str | None = None) -> None:
        self._learner = learner
        self._resume_from = None if resume_from is None else Path(resume_from)

    def on_init_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **given: Any,
    ) -> None:
        """Show the model: a trainer may evaluate without training."""
        self._show(given)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **given: Any,
    ) -> None:
        """Show the model as it is trained; restore the learner where training resumes.

        Raises
        ------
        CheckpointError
            If the checkpoint lacks the learner's state, or it does not fit.
        """
        self._show(given)
        if state.global_step == 0:
            return
        path = (self._resume_from or _folder(args, state)) / STATE_FILE
        if not path.is_file():
            raise CheckpointError(
                f"{path}: not there; training resumes at step {state.global_step}, but the router's state was not"
                " saved with it. Resume from another checkpoint; from one in another folder, give"
                " SaveRouter(..., resume_from=FOLDER)"
            )
        self._learner.load_state_dict(load_state(path))

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **given: Any,
    ) -> None:
        """Write the learner's state beside the model's, on the rank that saves."""
        if args.should_save:
            save_state(self._learner.state_dict(), _folder(args, state) / STATE_FILE)

    def _show(self, given: dict[str, Any]) -> None:
        if isinstance(self._learner, WatchesPolicy):
            self._learner.watch(given["model"], given["processing_class"])


def _folder(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(args.output_dir or ".") / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
