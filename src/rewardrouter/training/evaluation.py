"""How good a policy is: its likeliest response to every prompt, verified."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence

from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedTokenizerBase

from rewardrouter.config.generation import SamplingSettings
from rewardrouter.errors import DataError
from rewardrouter.training.generation import TransformersGenerator
from rewardrouter.training.processes import gathered
from rewardrouter.training.responses import PolicyPrompt, Verifier
from rewardrouter.training.unwrapping import unwrapped


@dataclasses.dataclass(frozen=True, slots=True)
class Verified:
    """Share of responses that are right, of those that the verifier can judge.

    ``right`` maps every prompt's id to whether its response is; ``by_domain`` holds judged and right ones.
    """

    accuracy: float
    right: Mapping[str, bool]
    by_domain: Mapping[str, tuple[int, int]]


def evaluate_policy(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[PolicyPrompt],
    verifier: Verifier,
    accelerator: Accelerator,
    *,
    max_new_tokens: int,
    batch_size: int,
) -> Verified:
    """Let the policy answer every prompt once, without chance, and verify the answers.

    Every process must call it; each answers a part of the prompts.

    Raises
    ------
    DataError
        If the verifier can judge none.
    """
    settings = SamplingSettings(
        responses=1, temperature=0, max_new_tokens=max_new_tokens, batch_size=batch_size
    )
    generator = TransformersGenerator(tokenizer, settings, seed=0)
    mine = prompts[accelerator.process_index :: accelerator.num_processes]
    with unwrapped(model, accelerator) as policy:
        answers = generator.generate(policy, mine, step=0)
    judged = [
        (prompt.id, str(prompt.metadata.get("domain") or "all"), bool(right))
        for prompt, (response,) in zip(mine, answers, strict=True)
        if (right := verifier(prompt.begun + response.text, prompt.metadata)) is not None
    ]
    found = gathered(accelerator, judged)
    if not found:
        raise DataError(
            f"verifier: can judge none of the {len(prompts)} responses; does it fit the prompts' columns?"
        )
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, domain, right in found:
        counts[domain][0] += 1
        counts[domain][1] += right
    return Verified(
        sum(right for *_, right in found) / len(found),
        {name: right for name, _, right in sorted(found)},
        {domain: (n, right) for domain, (n, right) in sorted(counts.items())},
    )
