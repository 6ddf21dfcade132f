"""The small policy's tokenizer: byte-level BPE, so that no text is unknown, learnt from the texts it will read.

Its chat template marks each turn with one special token for the role and closes the assistant's with ``<|end|>``.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

_BEGIN, _END, _PAD = "<|begin|>", "<|end|>", "<|pad|>"
_ROLES = ("system", "user", "assistant", "tool")

SPECIAL_TOKENS = (_BEGIN, _END, _PAD, *(f"<|{role}|>" for role in _ROLES))
"""What no text is made of; they come first in the vocabulary, in this order."""

_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' }}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def learn_tokenizer(texts: Iterable[str], vocabulary: int, positions: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer of at most ``vocabulary`` tokens; the order of the texts does not matter."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(set(texts)), trainer)
    return as_pretrained(tokenizer, positions)


def as_pretrained(tokenizer: Tokenizer, positions: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer that begins with :data:`SPECIAL_TOKENS` as transformers loads and saves it.

    It gets the chat template, and puts the beginning-of-text token before a text.
    """
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_BEGIN} $A", special_tokens=[(_BEGIN, SPECIAL_TOKENS.index(_BEGIN))]
    )
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=_BEGIN,
        eos_token=_END,
        pad_token=_PAD,
        additional_special_tokens=list(SPECIAL_TOKENS[3:]),
        model_max_length=positions,
    )
    fast.chat_template = _TEMPLATE
    return fast
