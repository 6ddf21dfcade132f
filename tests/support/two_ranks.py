"""What two processes make of routed rewards: a script for torchrun, told where a checkpoint lies and where to write.

First a batch whose middle group begins on one rank and ends on the other; then TRL's GRPO on the same kind of batch.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from text_rewards import TextScorer, hashed, routed
from tiny_trainers import tiny_trainer

from rewardrouter.integrations import SaveRouter, VerifierFeedback
from rewardrouter.integrations.routed_reward import RoutedReward
from rewardrouter.state import State, save_state


def taught() -> RoutedReward:
    """Two RMs, one of which cannot read everything, and a verifier."""
    models = (
        TextScorer("rm0", lambda text: None if "7" in text else hashed("0")(text)),
        TextScorer("rm1", hashed("1")),
    )
    return routed(*models, feedback=VerifierFeedback(lambda text, row: len(text) % 3), prior_variance=1.0)


def batch(step: int) -> tuple[list[str], list[str]]:
    """Three prompts with four completions each, of different lengths."""
    asked = [f"prompt {step}/{n // 4}" for n in range(12)]
    return asked, [f"{step}/{n}" + "." * (n * n % 5) for n in range(12)]


def main(checkpoint: Path, out: Path) -> None:
    """Write what this rank came to."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    own = slice(0, 6) if rank == 0 else slice(6, 12)
    reward = taught()
    found = []
    for step in range(5):
        asked, answered = batch(step)
        found += reward(asked[own], answered[own])
    save_state(
        State.joined({"rewards": found, "last": reward.last_rewards}, reward=reward.state_dict()),
        out / f"calls-{rank}",
    )
    trained = taught()
    # Three completions per device, two per prompt: the second prompt's are on both ranks.
    settings = {"per_device_train_batch_size": 3, "num_generations": 2, "max_steps": 3, "save_steps": 3}
    trainer = tiny_trainer("grpo", checkpoint, out / "run", trained, **settings)
    trainer.add_callback(SaveRouter(trained))
    trainer.train()
    save_state(trained.state_dict(), out / f"trained-{rank}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
