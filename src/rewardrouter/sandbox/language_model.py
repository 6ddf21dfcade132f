"""The policy of the sandbox: a small Llama that learns to answer, in all manners alike.

Only the response is learnt, as in supervised fine-tuning. Initial weights are larger and rotary positions shorter than
Llama's own, which suit wide models and long texts: with those, this one would not learn to copy in thousands of steps.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from rewardrouter.config.sandbox import SandboxPolicyConfig
from rewardrouter.policies.cosine_adam import CosineAdam
from rewardrouter.policies.small_model import small_llama
from rewardrouter.progress import progress
from rewardrouter.sandbox.chat import ChatTokens, padded
from rewardrouter.sandbox.problems import MANNERS, answered
from rewardrouter.sandbox.tasks import draw_problems
from rewardrouter.sandbox.tokenizer import POSITIONS

_SHARES = {
    "doubling": 0.7,
    "numerals": 0.6,
    "neighbours": 0.7,
    "extreme": 0.35,
    "sorting": 0.3,
    "translation": 1.2,
    "opposites": 1.2,
    "filtering": 2.2,
}
"""How often each kind is practised: the harder, the more, so that none is always or never right."""

_INITIAL_SPREAD = 0.1
_ROTARY_BASE = 30.0
_WEIGHT_DECAY = 0.1

_SORTED_TOGETHER = 8
"""Batches that are drawn at once and cut by length, so that little is padding."""

_IGNORED = -100


def train_policy(
    config: SandboxPolicyConfig, tokenizer: PreTrainedTokenizerBase, seed: int
) -> LlamaForCausalLM:
    """Return a policy trained on problems of the part ``language model``."""
    model = small_llama(
        config,
        tokenizer,
        POSITIONS,
        seed=seed,
        initializer_range=_INITIAL_SPREAD,
        rope_parameters={"rope_type": "default", "rope_theta": _ROTARY_BASE},
    )
    adam = CosineAdam(model, config.learning_rate, _WEIGHT_DECAY, config.steps)
    batches = _batches(config.problems_per_step, tokenizer, seed)
    with progress("sandbox: policy", config.steps) as advance:
        for ids, targets in itertools.islice(batches, config.steps):
            states = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
            learnt = targets[:, 1:] != _IGNORED
            logits = states[learnt] @ model.lm_head.weight.T
            adam.step(functional.cross_entropy(logits, targets[:, 1:][learnt]))
            advance(1)
    return model


def _batches(size: int, tokenizer: PreTrainedTokenizerBase, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield token ids and what is to be learnt of them, both ``int64 [size, T]``, without end."""
    tokens, chance = ChatTokens(tokenizer), random.Random(seed)
    problems = draw_problems("language model", seed, _SHARES)
    while True:
        drawn = list(itertools.islice(problems, size * _SORTED_TOGETHER))
        prompts = tokens.prompts([problem.prompt for problem in drawn])
        responses = tokens.responses([answered(problem, chance.choice(MANNERS)) for problem in drawn])
        chats = sorted(zip(prompts, responses, strict=True), key=lambda chat: len(chat[0]) + len(chat[1]))
        batches = [chats[start : start + size] for start in range(0, len(chats), size)]
        chance.shuffle(batches)
        for batch in batches:
            ids = padded([prompt + response for prompt, response in batch], tokens.pad)
            targets = padded([[_IGNORED] * len(prompt) + response for prompt, response in batch], _IGNORED)
            yield ids, targets
