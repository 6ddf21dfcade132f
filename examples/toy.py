"""What the trainer examples need, made on the spot: a policy, reward models, a router that knows them, and prompts.

With your own, the examples begin with

    policy = AutoModelForCausalLM.from_pretrained("your/policy")
    pool = load_pool(Path("pool.yaml"))
    router = BayesianRouter.from_pretrained("router")  # rewardrouter fit --verdicts ... --out router
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from datasets import Dataset
from quickstart import FACTS, REWARD_MODELS, make_rows, write_verdicts
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.config.offline import frozen_preset
from rewardrouter.config.policy import SmallPolicyConfig
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.policies.small import small_policy
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.router import BayesianRouter, fit_router

PROBLEMS = 12
"""Of each kind."""


@dataclasses.dataclass(frozen=True)
class Toy:
    """All that a trainer is given."""

    policy: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    pool: RewardModelPool
    router: BayesianRouter
    prompts: Dataset


def make_toy(folder: Path, seed: int = 0) -> Toy:
    """Make everything in ``folder``: 72 pairs with verdicts, a router fitted to them, a policy that babbles them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_verdicts(make_rows(range(PROBLEMS), random.Random(seed)), folder / "verdicts.parquet")
    table = load_verdicts(folder / "verdicts.parquet").table
    small = SmallPolicyConfig(width=64, heads=2, layers=2, epochs=40, learning_rate=1e-2)
    policy = small_policy(table.pairs, small, folder / "policy", seed=seed)
    questions = [(f"What is the capital of {country}?", city) for country, city in FACTS[:PROBLEMS]]
    questions += [(f"What is {40 + n} + {n}?", str(40 + 2 * n)) for n in range(PROBLEMS)]
    prompts = [
        {"prompt": [{"role": "user", "content": text}], "answer": answer} for text, answer in questions
    ]
    return Toy(
        AutoModelForCausalLM.from_pretrained(policy),
        AutoTokenizer.from_pretrained(policy, padding_side="left"),
        RewardModelPool(REWARD_MODELS),
        fit_router(table, frozen_preset()),
        Dataset.from_list(prompts),
    )
