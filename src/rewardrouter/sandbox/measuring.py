"""How often each reward model is right on the evaluation's pairs, as a whole and in parts."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt

from rewardrouter.config.pool import HfConfig
from rewardrouter.datasets.pairs import LoadedPairs, load_pairs
from rewardrouter.files import write_text_atomically
from rewardrouter.reward_models.hf import HfRewardModel
from rewardrouter.sandbox.layout import Sandbox


def measure(sandbox: Sandbox, name: str) -> None:
    """Have a reward model judge the evaluation's pairs, and write down which it got right."""
    evaluation = load_pairs(sandbox.pairs("evaluation"))
    settings = HfConfig(name=name, source=str(sandbox.reward_model(name)), device="cpu", dtype="fp32")
    verdicts = HfRewardModel(settings).judge(evaluation.pairs)
    right = [int(v.label == label) for v, label in zip(verdicts, evaluation.labels, strict=True)]
    path = sandbox.measured(name)
    path.parent.mkdir(exist_ok=True)
    write_text_atomically(path, json.dumps(right) + "\n")


def measured(sandbox: Sandbox) -> npt.NDArray[np.float64]:
    """Return ``[pairs of the evaluation, reward models]``: 1 where it was right."""
    columns = [json.loads(sandbox.measured(name).read_text(encoding="utf-8")) for name in sandbox.rms]
    return np.array(columns, np.float64).T


def shares(right: npt.NDArray[np.float64], named: list[str]) -> dict[str, npt.NDArray[np.float64]]:
    """Return the mean of the rows ``[P, N]`` under each name, in order of appearance."""
    names = np.array(named)
    return {name: right[names == name].mean(axis=0) for name in dict.fromkeys(named)}


def manners_of(evaluation: LoadedPairs) -> list[str]:
    """Return the manner of each pair's responses, ``mixed`` where they differ."""
    both = [(p.metadata["manner_a"], p.metadata["manner_b"]) for p in evaluation.pairs]
    return [one if one == other else "mixed" for one, other in both]
