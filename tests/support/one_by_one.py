"""Scores as whoever publishes a reward model computes them: one text at a time, with transformers alone."""

from __future__ import annotations

import inspect
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def one_by_one(folder: Path, texts: list[tuple[str, str]], *, template: bool = True) -> list[float]:
    """Return the score of each prompt with its response, each one user message and its answer."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    scores = []
    for prompt, response in texts:
        if template and tokenizer.chat_template:
            turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
            text = tokenizer.apply_chat_template(turns, tokenize=False)
            inputs = tokenizer(text.removeprefix("<s>"), return_tensors="pt")
        elif tokenizer.sep_token:
            # As a list: an empty second text given alone makes no pair.
            inputs = tokenizer([prompt], [response], return_tensors="pt")
        else:
            inputs = tokenizer(prompt + response, return_tensors="pt")
        known = inspect.signature(model.forward).parameters
        with torch.inference_mode():
            logits = model(**{name: value for name, value in inputs.items() if name in known}).logits
        scores.append(logits.item())
    return scores
