"""The tokenizer of the sandbox's models: every word of the prompts is one token, everything else goes by the byte.

A BPE vocabulary without merges: a word that it holds is that token, any other falls apart into bytes. Nothing is
unknown, and a text is as short as small models need it. A text is read as if a space stood before it, so that a word
is the same token wherever it stands.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rewardrouter.policies.small_tokenizer import SPECIAL_TOKENS, as_pretrained
from rewardrouter.sandbox.problems import DIFFICULTIES, MANNERS, answered, worded
from rewardrouter.sandbox.tasks import KINDS

POSITIONS = 128
"""Tokens that a model of the sandbox reads at once."""

_QUESTIONS = 300
"""Of each kind and difficulty, from which its words are learnt: enough for every word to come."""


def sandbox_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer; it depends on nothing but the kinds of problems."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=True)
    words = {word for text in _texts() for word, _ in splitter.pre_tokenize_str(text)}
    tokens = [*SPECIAL_TOKENS, *sorted(splitter.alphabet()), *sorted(words)]
    vocabulary = {token: place for place, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return as_pretrained(tokenizer, POSITIONS)


def _texts() -> Iterator[str]:
    """Yield prompts and responses in which every word of all kinds occurs."""
    chance = random.Random(0)
    for kind in KINDS.values():
        for difficulty in DIFFICULTIES * _QUESTIONS:
            problem = worded(kind, difficulty, kind.draw(chance, difficulty), chance)
            yield problem.prompt
            yield from (answered(problem, manner) for manner in MANNERS)
