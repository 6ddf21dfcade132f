"""TRL trainers of tiny policies on ten prompts, a few steps on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, set_seed
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

KINDS: dict[str, tuple[type[Trainer], Any]] = {
    "grpo": (GRPOTrainer, GRPOConfig),
    "rloo": (RLOOTrainer, RLOOConfig),
}


def prompts(*, chat: bool = False) -> Dataset:
    asked = [f"What is {n} + 1?" for n in range(10)]
    columns: dict[str, Any] = {"prompt": asked, "answer": [str(n + 1) for n in range(10)]}
    if chat:
        columns["prompt"] = [[{"role": "user", "content": text}] for text in asked]
    return Dataset.from_dict(columns)


def tiny_trainer(
    kind: str,
    checkpoint: Path,
    output: Path,
    reward: Any,
    *,
    chat: bool = False,
    lora: bool = False,
    **settings: Any,
) -> Any:
    """Return a trainer of the policy in ``checkpoint``; further settings are those of its config."""
    trainer, config = KINDS[kind]
    given = {
        "per_device_train_batch_size": 6,
        "per_device_eval_batch_size": 6,
        "num_generations": 3,
        "max_completion_length": 6,
        "max_steps": 3,
        "logging_steps": 1,
        "learning_rate": 1e-2,
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        **settings,
    }
    set_seed(0)  # of the adapter
    return trainer(
        AutoModelForCausalLM.from_pretrained(checkpoint),
        reward_funcs=reward,
        args=config(output_dir=str(output), **given),
        train_dataset=prompts(chat=chat),
        eval_dataset=prompts(chat=chat).select(range(4)),
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
        peft_config=LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=True) if lora else None,
    )


def tiny_online_dpo(
    checkpoint: Path, output: Path, reward: Any, *, chat: bool = False, **settings: Any
) -> Any:
    """Return TRL's experimental online DPO with LoRA on the policy in ``checkpoint``."""
    from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

    given = {
        "per_device_train_batch_size": 4,
        "max_new_tokens": 6,
        "max_steps": 2,
        "logging_steps": 1,
        "learning_rate": 1e-1,
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        **settings,
    }
    set_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, padding_side="left")
    return OnlineDPOTrainer(
        AutoModelForCausalLM.from_pretrained(checkpoint),
        reward_funcs=reward,
        args=OnlineDPOConfig(output_dir=str(output), **given),
        train_dataset=prompts(chat=chat),
        processing_class=tokenizer,
        peft_config=LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=True),
    )
