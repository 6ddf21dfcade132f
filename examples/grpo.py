"""GRPO in which each prompt is scored by the reward model most likely to judge it right.

    pip install 'rewardrouter[train,minilm]'
    python examples/grpo.py [FOLDER] [--resume]      FOLDER is ./toy unless given

The bandit learns from gold answers: how well the order that a reward model gives to a prompt's completions agrees
with which of them are right. It is a toy of four steps, on small models that it makes itself (toy.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from peft import LoraConfig
from toy import make_toy
from trl import GRPOConfig, GRPOTrainer

from rewardrouter.integrations import RoutedReward, SaveRouter, VerifierFeedback


def main() -> None:
    """Train for a few steps and say which reward models were asked."""
    parser = argparse.ArgumentParser(description="GRPO with a routed reward.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("toy"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    arguments = parser.parse_args()
    toy = make_toy(arguments.folder)

    feedback = VerifierFeedback(lambda text, row: row["answer"] in text)
    reward = RoutedReward(toy.pool, toy.router, feedback=feedback, seed=0)
    trainer = GRPOTrainer(
        toy.policy,
        reward_funcs=reward,
        args=GRPOConfig(
            output_dir=str(arguments.folder / "grpo"),
            per_device_train_batch_size=32,
            num_generations=8,
            max_completion_length=24,
            max_steps=4,
            save_steps=2,
            logging_steps=1,
            learning_rate=1e-3,
            report_to="none",
            bf16=False,  # of a toy on a CPU
        ),
        train_dataset=toy.prompts,
        processing_class=toy.tokenizer,
        peft_config=LoraConfig(target_modules=["q_proj", "v_proj"]),
        callbacks=[SaveRouter(reward)],  # puts what the bandit has learnt into every checkpoint
    )
    trainer.train(resume_from_checkpoint=arguments.resume)
    print("Prompts scored: " + ", ".join(f"{name} {count}" for name, count in reward.answered.items()))


if __name__ == "__main__":
    main()
