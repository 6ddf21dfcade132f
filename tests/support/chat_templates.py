"""Chat templates as policies in use have them: what they write between messages, and what they do to messages."""

from __future__ import annotations

from tiny_checkpoints import CHATML, STRICT, causal_tokenizer
from transformers import PreTrainedTokenizerFast

_SYSTEM_FIRST = "{% if messages[0]['role'] == 'system' %}"

TEMPLATES = {
    "chatml": CHATML,
    "mistral": STRICT,
    # Puts a system message of its own where there is none.
    "qwen2.5": (
        _SYSTEM_FIRST + "<|im_start|>system\n{{ messages[0]['content'] }}<|im_end|>\n{% else %}"
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "{% endif %}"
        "{% for m in messages %}{% if m['role'] != 'system' %}"
        "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    # Writes an empty thought before the last answer, which a place for an answer does not have.
    "qwen3": (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['role'] == 'assistant' and loop.last and '</think>' not in m['content'] %}"
        "<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    # Trims, and writes a date in front.
    "llama-3.1": (
        "{{ bos_token }}<|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n"
        + _SYSTEM_FIRST
        + "{{ messages[0]['content'] | trim }}{% set rest = messages[1:] %}"
        "{% else %}{% set rest = messages %}{% endif %}"
        "<|eot_id|>{% for m in rest %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
        "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
    ),
    # Calls the assistant a model, and refuses a system message.
    "gemma": (
        "{{ bos_token }}"
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
        "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    ),
    # Puts the system message into the first question.
    "mistral-system": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\n\n' %}"
        "{% set rest = messages[1:] %}{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
        "{% for m in rest %}{% if m['role'] == 'user' %}"
        "[INST] {{ (system if loop.first else '') + m['content'] }} [/INST]"
        "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
    ),
    "zephyr": (
        "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    ),
}
"""Templates by the family that has one like it."""

WITHOUT_SYSTEM = ("mistral", "gemma")
"""Those that refuse a system message."""


def tokenizer_with(template: str) -> PreTrainedTokenizerFast:
    """Return a small tokenizer with a template."""
    return causal_tokenizer(template, adds_bos=True)
