"""Online DPO in which each pair of the policy's own responses is labelled by the reward model most likely to be right.

    pip install 'rewardrouter[train,minilm]'
    python examples/routed_dpo.py [FOLDER] [--resume]      FOLDER is ./toy unless given

`rewardrouter train` does the same from a YAML file. It is a toy of four steps, on small models that it makes itself
(toy.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from peft import LoraConfig
from toy import make_toy
from trl import DPOConfig

from rewardrouter.annotators import BayesianRouterAnnotator
from rewardrouter.config.online import OnlineSettings
from rewardrouter.training import RoutedDPOTrainer


def main() -> None:
    """Train for a few steps."""
    parser = argparse.ArgumentParser(description="Online DPO with routed labels.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("toy"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    arguments = parser.parse_args()
    toy = make_toy(arguments.folder)

    trainer = RoutedDPOTrainer(
        toy.policy,
        DPOConfig(
            output_dir=str(arguments.folder / "routed_dpo"),
            per_device_train_batch_size=16,  # prompts; of each, 6 responses and 4 pairs of them
            beta=0.1,
            max_steps=4,
            save_steps=2,
            logging_steps=1,
            learning_rate=1e-3,
            report_to="none",
            bf16=False,  # of a toy on a CPU
        ),
        BayesianRouterAnnotator(toy.pool, toy.router, seed=0),
        toy.prompts,
        online=OnlineSettings.model_validate({"generation": {"max_new_tokens": 24}}),
        processing_class=toy.tokenizer,
        peft_config=LoraConfig(target_modules=["q_proj", "v_proj"]),
    )
    trainer.train(resume_from_checkpoint=arguments.resume)
    print(f"Every label and every step: {trainer.args.output_dir}/decisions.jsonl, metrics.jsonl")


if __name__ == "__main__":
    main()
