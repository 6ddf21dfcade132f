"""How a policy is trained on the sandbox: what ``demo`` does and ``examples/sandbox.yaml`` says."""

from __future__ import annotations

from pathlib import Path

from rewardrouter.config.train import TrainConfig
from rewardrouter.sandbox.layout import Sandbox


def training_config(sandbox: Sandbox, router: Path) -> TrainConfig:
    """Return the settings: all of the small policy is trained, on short prompts, a hundred steps.

    Learning rate and beta were chosen with the verifier's labels and random ones, on prompts of the stream: the former
    make the policy better, the latter do not.
    """
    return TrainConfig.model_validate(
        {
            "policy": {
                "checkpoint": str(sandbox.policy),
                "tuning": "full",
                "learning_rate": 3e-4,
                "beta": 0.1,
            },
            "annotator": {"strategy": "router", "router": str(router), "pool": str(sandbox.pool)},
            "prompts": {"source": str(sandbox.prompts("stream")), "max_tokens": 64},
            "generation": {"max_new_tokens": 40},
            "verifier": "rewardrouter.sandbox.verifier:verify",
            "evaluation": {"source": str(sandbox.prompts("evaluation"))},
            "steps": 100,
        }
    )
