"""Tiny policies to sample from, prompts for them, and sampling as its definition has it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.training.responses import PolicyPrompt, Response

QUESTIONS = ["What is 2 + 3?", "Name the capital of France, please.", "def", "return a + b + a + b"]


def load(folder: Path, *, spread: float = 8.0) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a policy that is sure enough of some tokens for its responses to differ from mere noise."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(spread)
    return model, AutoTokenizer.from_pretrained(folder)


def with_adapter(model: PreTrainedModel, *, matrices: list[str], strength: float, seed: int = 0) -> PeftModel:
    """Put a LoRA adapter into a policy that changes what it says, the more the stronger."""
    torch.manual_seed(seed)
    wrapped = get_peft_model(model, LoraConfig(r=4, target_modules=matrices, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=strength)
    return wrapped


def asked(tokenizer: PreTrainedTokenizerBase, questions: list[str] | None = None) -> list[PolicyPrompt]:
    """Return prompts of different lengths, without a template."""
    texts = QUESTIONS if questions is None else questions
    return [
        PolicyPrompt(f"q{n}", text, np.array(tokenizer.encode(text), np.int32))
        for n, text in enumerate(texts)
    ]


def ids_of(responses: list[list[Response]]) -> list[list[list[int]]]:
    """Return the responses' token ids."""
    return [[response.ids.tolist() for response in group] for group in responses]


@torch.no_grad()
def one_by_one(
    model: PreTrainedModel,
    prompt: PolicyPrompt,
    uniforms: np.ndarray,
    ends: Collection[int],
    temperature: float,
) -> list[int]:
    """Sample one response: no batch, no padding, no cache, numpy's sums."""
    ids = prompt.ids.tolist()
    for u in uniforms:
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1].double().numpy()
        weights = np.exp((logits - logits.max()) / temperature)
        cumulative = np.cumsum(weights)
        ids.append(int(np.searchsorted(cumulative, u * cumulative[-1], side="right")))
        if ids[-1] in ends:
            break
    return ids[len(prompt.ids) :]
