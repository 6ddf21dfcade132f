"""Online DPO with the policy in two shards (FSDP2) on a CPU: a script for a launcher."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import accelerate.state
import torch
from accelerate.utils import DistributedType
from tiny_online import laser, online, router, tiny_run

from rewardrouter.training.processes import process_state
from rewardrouter.training.trainer import RoutedDPOTrainer

# Adam that does not make a step of the learning rate out of a rounding error.
ADAM = {"optim": "adamw_torch", "adam_epsilon": 0.1, "learning_rate": 0.03}
JOBS: dict[str, tuple[Any, dict[str, Any]]] = {
    "full": (router, {**ADAM, "save_strategy": "steps", "save_steps": 2}),
    "lora": (laser, {"learning_rate": 1.0, "adapter": True, "settings": online(overlap=True)}),
}
FSDP = {
    "fsdp": "full_shard",
    "fsdp_config": {
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "transformer_layer_cls_to_wrap": ["LlamaDecoderLayer"],
    },
}


def trained(
    name: str, checkpoint: Path, out: Path, start: str | None = None, **settings: Any
) -> RoutedDPOTrainer:
    """Do a job on eight prompts a step, alone or with another process, and save the policy."""
    state = process_state()
    made, given = JOBS[name]
    trainer = tiny_run(
        checkpoint,
        out / name,
        made() if state.is_main_process else None,
        per_device_train_batch_size=8 // state.num_processes,
        **{"optim": "sgd", "beta": 0.1, "max_steps": 4, **given, **settings},
    )
    trainer.train(resume_from_checkpoint=start)
    trainer.save_model(str(out / name / "policy"))
    return trainer


def shard_on_cpus() -> None:
    """Let accelerate shard on CPUs too: it takes several processes there for plain data parallelism."""
    made = accelerate.state.PartialState.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    accelerate.state.PartialState.__init__ = init


if __name__ == "__main__":
    torch.set_num_threads(1)
    shard_on_cpus()
    checkpoint, out = Path(sys.argv[1]), Path(sys.argv[2])
    for name in JOBS:
        trainer = trained(name, checkpoint, out, **FSDP)
        assert trainer.is_fsdp_enabled
        assert {type(p).__name__ for p in trainer.model.parameters()} == {"DTensor"}
    trained("full", checkpoint, out, start=str(out / "full" / "checkpoint-2"), **FSDP)
