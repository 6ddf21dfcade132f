"""Tiny copies of known reward models: their architecture, their chat template as published, random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny_checkpoints import TINY, causal_tokenizer
from transformers import (
    Gemma2Config,
    Gemma2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForSequenceClassification,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForSequenceClassification,
)

MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)

LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)

GEMMA2 = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)

QWEN3 = (
    "{%- if messages[0].role == 'system' %}"
    "{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{%- endif %}"
    "{%- for message in messages %}"
    '{%- if (message.role == "user") or (message.role == "system" and not loop.first) %}'
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}"
    '{%- elif message.role == "assistant" %}{%- set content = message.content %}'
    "{%- if '</think>' in message.content %}"
    "{%- set content = message.content.split('</think>')[-1].lstrip('\n') %}{%- endif %}"
    "{%- if loop.last %}"
    "{{- '<|im_start|>' + message.role + '\n<think>\n\n</think>\n\n' + content.lstrip('\n') }}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\n' + content }}{%- endif %}"
    "{{- '<|im_end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
"""The part of Qwen3's template without tools; the last answer gets an empty thought."""

KNOWN = {
    "mistral": "hendrydong/Mistral-RM-for-RAFT-GSHF-v0",
    "llama": "Ray2333/GRM-Llama3.2-3B-rewardmodel-ft",
    "gemma2": "Ray2333/GRM-gemma2-2B-rewardmodel-ft",
    "qwen3": "Skywork/Skywork-Reward-V2-Qwen3-0.6B",
}
"""The paper's four reward models, by their architecture."""

TEMPLATES = {"mistral": MISTRAL, "llama": LLAMA3, "gemma2": GEMMA2, "qwen3": QWEN3}


def write_known(folder: Path, kind: str) -> Path:
    """Write a sequence classifier of two layers; ``kind`` is a key of :data:`KNOWN`.

    All but Qwen3's tokenizer add the beginning-of-text token, which their templates write too.
    """
    tokenizer = causal_tokenizer(TEMPLATES[kind], adds_bos=kind != "qwen3")
    torch.manual_seed(3)
    _model(kind, len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _model(kind: str, tokens: int) -> PreTrainedModel:
    settings = {
        "vocab_size": tokens,
        "num_labels": 1,
        "initializer_range": 0.5,  # large, so that scores differ by more than rounding
        "max_position_embeddings": 1024,
        "num_key_value_heads": 2,
        "pad_token_id": 2,
        **TINY,
    }
    if kind == "mistral":
        return MistralForSequenceClassification(MistralConfig(sliding_window=None, **settings))
    if kind == "llama":
        return LlamaForSequenceClassification(LlamaConfig(**settings))
    if kind == "gemma2":
        return Gemma2ForSequenceClassification(Gemma2Config(head_dim=8, **settings))
    return Qwen3ForSequenceClassification(Qwen3Config(head_dim=8, **settings))
