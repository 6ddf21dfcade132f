"""Writers of tiny checkpoints: weights of a few kilobytes and tokenizers trained on three lines."""

# ruff: noqa: S106 - special tokens are no passwords

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    FNetConfig,
    FNetForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2Model,
    Qwen3Config,
    Qwen3ForSequenceClassification,
)

CORPUS = [
    "What is the capital of France? The capital of France is Paris.",
    "def add(a, b): return a + b",
    "user: system: assistant: You are a helpful assistant. 0 1 2 3 4 5 6 7 8 9",
]

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The template of Qwen and SmolLM: any role, no beginning-of-text token."""

STRICT = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}[INST] {{ m['content'] | trim }} [/INST]"
    "{% else %} {{ m['content'] | trim }}{{ eos_token }}{% endif %}{% endfor %}"
)
"""A template like those of Mistral and Gemma: beginning-of-text, alternating roles, no system."""


def causal_tokenizer(template: str | None, *, adds_bos: bool) -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer without a padding token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<s>", "</s>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<|im_end|>"],
    )
    fast.chat_template = template
    return fast


def bert_tokenizer() -> PreTrainedTokenizerFast:
    """Return an uncased word-piece tokenizer with BERT's special tokens."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz0123456789"),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=128,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def write_bert(folder: Path) -> Path:
    """A BERT of two layers, hidden size 32, reading 128 tokens."""
    tokenizer = bert_tokenizer()
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **TINY)).save_pretrained(
        folder
    )
    tokenizer.save_pretrained(folder)
    return folder


def write_qwen2(folder: Path) -> Path:
    """A Qwen2 base model (no language-model head in its config) with a ChatML template."""
    tokenizer = causal_tokenizer(CHATML, adds_bos=False)
    torch.manual_seed(1)
    config = Qwen2Config(
        vocab_size=len(tokenizer), max_position_embeddings=256, num_key_value_heads=2, **TINY
    )
    Qwen2Model(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_llama(folder: Path, *, template: bool) -> Path:
    """A Llama with its language-model head, a beginning-of-text token twice over, and a strict template or none."""
    tokenizer = causal_tokenizer(STRICT if template else None, adds_bos=True)
    torch.manual_seed(2)
    config = LlamaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=256, num_key_value_heads=2, **TINY
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


REWARD_MODELS = ("bert", "fnet", "gpt2", "llama", "llama-plain", "llama-pad", "qwen3")
"""Kinds of :func:`write_reward_model`."""


def write_reward_model(folder: Path, kind: str, *, seed: int = 0, num_labels: int = 1) -> Path:
    """A sequence classifier of two layers with random weights.

    ``bert`` reads pairs and has a padding token; ``fnet`` too, but its scores depend on the padding; ``gpt2`` has
    absolute positions and neither template nor padding token; ``llama`` a strict template that writes the
    beginning-of-text token, which its tokenizer adds again, and no padding token; ``llama-plain`` is that without a
    template; ``llama-pad`` was trained with the end-of-text token as padding; ``qwen3`` has a ChatML template
    without beginning-of-text, and a padding token.
    """
    tokenizer = bert_tokenizer() if kind in ("bert", "fnet") else _reward_tokenizer(kind)
    # Large initial weights, so that scores differ by more than rounding.
    settings = {"vocab_size": len(tokenizer), "num_labels": num_labels, "initializer_range": 0.5}
    torch.manual_seed(seed)
    _reward_model(kind, settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _reward_tokenizer(kind: str) -> PreTrainedTokenizerFast:
    template = {"qwen3": CHATML, "llama": STRICT, "llama-pad": STRICT}.get(kind)
    return causal_tokenizer(template, adds_bos=kind.startswith("llama"))


def _reward_model(kind: str, settings: dict[str, object]) -> PreTrainedModel:
    if kind == "bert":
        return BertForSequenceClassification(BertConfig(max_position_embeddings=128, **settings, **TINY))
    if kind == "fnet":
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
        return FNetForSequenceClassification(FNetConfig(max_position_embeddings=128, **sizes, **settings))
    if kind == "gpt2":
        sizes = {"n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4}
        return GPT2ForSequenceClassification(GPT2Config(bos_token_id=0, eos_token_id=1, **sizes, **settings))
    more = {"max_position_embeddings": 256, "num_key_value_heads": 2, **settings, **TINY}
    if kind == "qwen3":
        return Qwen3ForSequenceClassification(Qwen3Config(pad_token_id=2, head_dim=8, **more))
    pad = 1 if kind == "llama-pad" else None
    return LlamaForSequenceClassification(LlamaConfig(pad_token_id=pad, **more))
