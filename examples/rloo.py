"""RLOO in which each prompt is scored by the reward model most likely to judge it right, without gold answers.

    pip install 'rewardrouter[train,minilm]'
    python examples/rloo.py [FOLDER]      FOLDER is ./toy unless given

The bandit learns from the policy: how well the order that a reward model gives to a prompt's completions agrees with
how much more likely the policy has become to give them. That is agreement, not correctness: where there are gold
answers or a verifier, learn from those (grpo.py). It is a toy of four steps, on small models that it makes itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from peft import LoraConfig
from toy import make_toy
from trl import RLOOConfig, RLOOTrainer

from rewardrouter.integrations import AgreementFeedback, RoutedReward, SaveRouter


def main() -> None:
    """Train for a few steps and say which reward models were asked."""
    parser = argparse.ArgumentParser(description="RLOO with a routed reward.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("toy"))
    arguments = parser.parse_args()
    toy = make_toy(arguments.folder)

    # The reference is the policy without its adapter; of a policy trained whole, give AgreementFeedback a copy.
    reward = RoutedReward(toy.pool, toy.router, feedback=AgreementFeedback(), seed=0)
    trainer = RLOOTrainer(
        toy.policy,
        reward_funcs=reward,
        args=RLOOConfig(
            output_dir=str(arguments.folder / "rloo"),
            per_device_train_batch_size=32,
            num_generations=8,
            max_completion_length=24,
            max_steps=4,
            logging_steps=1,
            learning_rate=1e-3,
            report_to="none",
            bf16=False,  # of a toy on a CPU
        ),
        train_dataset=toy.prompts,
        processing_class=toy.tokenizer,
        peft_config=LoraConfig(target_modules=["q_proj", "v_proj"]),
        callbacks=[SaveRouter(reward)],  # shows the policy to the feedback
    )
    trainer.train()
    print("Prompts scored: " + ", ".join(f"{name} {count}" for name, count in reward.answered.items()))


if __name__ == "__main__":
    main()
