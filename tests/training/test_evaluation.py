"""A policy measured by its likeliest answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from tiny_online import ENDS, load_policy
from transformers import AutoTokenizer

from rewardrouter.config.online import PromptSettings
from rewardrouter.errors import DataError
from rewardrouter.training.evaluation import Verified, evaluate_policy
from rewardrouter.training.prompts import lay_out_prompts

ROWS = [
    {"id": f"q{n}", "prompt": f"What is {n} + 1?", "domain": ("sums", "other")[n % 3 == 0]} for n in range(12)
]


def measured(checkpoint: Path, verifier: Any, batch_size: int = 5) -> Verified:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    return evaluate_policy(
        load_policy(checkpoint),
        tokenizer,
        lay_out_prompts(ROWS, tokenizer, PromptSettings()).prompts,
        verifier,
        Accelerator(cpu=True),
        max_new_tokens=8,
        batch_size=batch_size,
    )


@torch.no_grad()
def likeliest(checkpoint: Path, prompt: str) -> str:
    """The answer, token by token, without batch or cache."""
    model, tokenizer = load_policy(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    ids = lay_out_prompts([{"prompt": prompt}], tokenizer, PromptSettings()).prompts[0].ids.tolist()
    start = len(ids)
    while len(ids) < start + 8 and (len(ids) == start or ids[-1] not in ENDS):
        ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return str(tokenizer.decode(ids[start:], skip_special_tokens=True))


def test_every_prompt_is_answered_once_with_the_likeliest_tokens(tiny_llama: Path) -> None:
    expected = {row["prompt"]: likeliest(tiny_llama, row["prompt"]) for row in ROWS}
    seen: list[tuple[str, Mapping[str, Any]]] = []

    def verifier(text: str, row: Mapping[str, Any]) -> bool | None:
        seen.append((text, row))
        return None if len(seen) == 12 else len(text) % 2 == 0

    found = measured(tiny_llama, verifier)
    assert [text for text, _ in seen] == [expected[row["prompt"]] for row in ROWS]
    assert seen[0][1] == {"domain": "other"}
    right = {
        row["id"]: len(expected[row["prompt"]]) % 2 == 0 for row in ROWS[:11]
    }  # the last could not be judged
    assert found.right == right
    assert found.accuracy == pytest.approx(sum(right.values()) / 11)
    for domain in ("sums", "other"):
        own = [right[row["id"]] for row in ROWS[:11] if row["domain"] == domain]
        assert found.by_domain[domain] == (len(own), sum(own))


def test_batches_change_nothing(tiny_llama: Path) -> None:
    results = [measured(tiny_llama, lambda text, row: "a" in text, batch_size=n) for n in (1, 12)]
    assert results[0] == results[1]


def test_a_verifier_that_can_judge_nothing_is_the_users_mistake(tiny_llama: Path) -> None:
    with pytest.raises(DataError, match="verifier: can judge none of the 12 responses"):
        measured(tiny_llama, lambda text, row: None)
