"""What a policy has learnt about a completion: ``log pi(y|x) - log ref(y|x)``, in nats.

The reference is the policy as it was before training: without its LoRA adapter, or TRL's copy of an adapter that is
trained further (``ref``), or a model of its own.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.errors import ConfigError
from rewardrouter.online.arrays import Floats
from rewardrouter.policies.scoring import ResponseScorer
from rewardrouter.policies.tokens import Ids
from rewardrouter.pretrained.batches import length_batches

_BATCH_TOKENS = 8192

_TRL_REFERENCE = "ref"
"""The adapter that TRL keeps as reference where it trains an adapter that was there before."""


class PolicyLogRatios:
    """Computes log-ratios under the policy as it is at the moment.

    The policy's weights must be whole on every rank: adapters and data parallelism, not FSDP or ZeRO-3. Chat prompts
    are laid out by the tokenizer's template; a trainer's own ``chat_template_kwargs`` and tools are not known here.

    Parameters
    ----------
    reference
        The policy as it was; ``None`` where the policy is one with adapters.
    add_special_tokens
        As TRL's GRPO and RLOO read prompts: a plain one with the tokenizer's special tokens, and behind a conversation
        a new turn. Online DPO does neither: it continues an assistant's turn that a conversation ends with.
    """

    def __init__(self, reference: PreTrainedModel | None = None, *, add_special_tokens: bool = True) -> None:
        self._given, self._add_special_tokens = reference, add_special_tokens
        self._model: Any = None
        self._tokenizer: Any = None

    def watch(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take the policy, as the trainer has it before wrapping, adapters included, and its tokenizer."""
        self._model, self._tokenizer = model, tokenizer

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Sequence[int]]) -> Floats:
        """Return the log-ratios ``float64 [n]`` of completions (token ids) after prompts (TRL's form), nats.

        Raises
        ------
        ConfigError
            If :meth:`watch` was not called, or there is no reference.
        """
        if self._model is None:
            raise ConfigError(
                "log-ratios: no policy to ask; give the trainer callbacks=[SaveRouter(...)], which shows it"
            )
        asked = [self._prompt_ids(prompt) for prompt in prompts]
        answers = [np.array(ids, np.int32) for ids in completions]
        mode = self._model.training
        self._model.eval()
        try:
            with torch.no_grad():
                policy = _log_probs(_inner(self._model), asked, answers)
                with self._reference() as reference:
                    return policy - _log_probs(reference, asked, answers)
        finally:
            self._model.train(mode)

    def _prompt_ids(self, prompt: Any) -> Ids:
        """Return a prompt's tokens, as the trainer reads it."""
        if isinstance(prompt, str):
            ids = self._tokenizer(text=prompt, add_special_tokens=self._add_special_tokens)["input_ids"]
        else:
            begun = not self._add_special_tokens and prompt[-1]["role"] == "assistant"
            ids = self._tokenizer.apply_chat_template(
                prompt, add_generation_prompt=not begun, continue_final_message=begun, return_dict=True
            )["input_ids"]
        return np.array(ids, np.int32)

    @contextlib.contextmanager
    def _reference(self) -> Iterator[PreTrainedModel]:
        if self._given is not None:
            yield self._given
            return
        model = self._model
        if not _has_adapters(model):
            raise ConfigError(
                "log-ratios: the policy has no adapter to leave out; give a copy of it from before training as"
                " reference"
            )
        if _TRL_REFERENCE not in model.peft_config:
            with model.disable_adapter():
                yield _inner(model)
            return
        active = model.active_adapter
        model.set_adapter(_TRL_REFERENCE)
        try:
            yield _inner(model)
        finally:
            model.set_adapter(active)


def _log_probs(model: PreTrainedModel, prompts: Sequence[Ids], answers: Sequence[Ids]) -> Floats:
    scorer = ResponseScorer(model)
    found = np.zeros(len(answers))
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True)]
    for rows in length_batches(lengths, np.arange(len(answers)), _BATCH_TOKENS):
        own = [prompts[row] for row in rows], [answers[row] for row in rows]
        found[rows] = scorer.log_probs(*own).double().cpu().numpy()
    return found


def _inner(model: Any) -> PreTrainedModel:
    """Return the causal LM itself, adapters in it where there are any."""
    return cast(PreTrainedModel, model.get_base_model() if _has_adapters(model) else model)


def _has_adapters(model: Any) -> bool:
    peft = sys.modules.get("peft")  # whoever trains adapters has imported it
    return peft is not None and isinstance(model, peft.PeftModel)
