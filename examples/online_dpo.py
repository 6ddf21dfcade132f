"""TRL's experimental online DPO, each pair labelled by the reward model most likely to judge it right.

    pip install 'rewardrouter[train,minilm]'
    python examples/online_dpo.py [FOLDER]      FOLDER is ./toy unless given

For new work take RoutedDPOTrainer (rewardrouter.training): it drops pairs that no reward model labels, and stands on
TRL's stable trainer. It is a toy of four steps, on small models that it makes itself (toy.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from peft import LoraConfig
from toy import make_toy
from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

from rewardrouter.annotators import BayesianRouterAnnotator
from rewardrouter.integrations import RoutedPairs, SaveRouter

BETA = 0.1


def main() -> None:
    """Train for a few steps."""
    parser = argparse.ArgumentParser(description="Online DPO with routed labels.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("toy"))
    arguments = parser.parse_args()
    toy = make_toy(arguments.folder)

    annotator = BayesianRouterAnnotator(toy.pool, toy.router, seed=0)
    pairs = RoutedPairs(annotator, beta=BETA)
    trainer = OnlineDPOTrainer(
        toy.policy,
        reward_funcs=pairs,
        args=OnlineDPOConfig(
            output_dir=str(arguments.folder / "online_dpo"),
            per_device_train_batch_size=16,
            max_new_tokens=24,
            beta=BETA,
            max_steps=4,
            logging_steps=1,
            learning_rate=1e-3,
            report_to="none",
            bf16=False,  # of a toy on a CPU
        ),
        train_dataset=toy.prompts,
        processing_class=toy.tokenizer,
        peft_config=LoraConfig(target_modules=["q_proj", "v_proj"]),
        callbacks=[SaveRouter(pairs)],  # shows the policy, and keeps what is learnt in the checkpoints
    )
    trainer.train()
    print(f"{pairs.failed} pairs got no label; the router's beliefs are in {trainer.args.output_dir}")


if __name__ == "__main__":
    main()
