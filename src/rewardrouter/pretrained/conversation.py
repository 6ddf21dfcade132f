"""A conversation as one text: by a tokenizer's chat template, or with its roles written out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import jinja2
from transformers import PreTrainedTokenizerBase

from rewardrouter.pairs import Message
from rewardrouter.pretrained.marks import broken


def render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """Return the conversation as the tokenizer's chat template writes it.

    Raises
    ------
    jinja2.TemplateError
        If the template rejects the conversation or does not work.
    """
    try:
        return str(tokenizer.apply_chat_template(turns_of(messages), tokenize=False))
    except (TypeError, ValueError) as error:  # a template's own slips, and transformers' refusals
        raise jinja2.TemplateError(str(error)) from error


def turns_of(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return the messages as templates and servers are given them; most know a developer as ``system`` alone."""
    return [
        {"role": "system" if message.role == "developer" else message.role, "content": message.content}
        for message in messages
    ]


def plain(messages: Sequence[Message]) -> str:
    """Return one user message as its text, anything else as ``role: content``, a line each."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    return "\n".join(_with_roles(messages))


def dialogue(messages: Sequence[Message]) -> str:
    r"""Return ``User: ...\n\n`` for every message, then ``Assistant:`` a space, and what is begun of an answer."""
    messages, begun = begun_answer(messages)
    turns = [f"{message.role.capitalize()}: {message.content}\n\n" for message in messages]
    return "".join(turns) + "Assistant: " + begun


def begun_answer(messages: Sequence[Message]) -> tuple[tuple[Message, ...], str]:
    """Split off the answer that a prompt begins: the text of the assistant's turn that it ends with, if it does."""
    if messages and messages[-1].role == "assistant":
        return tuple(messages[:-1]), messages[-1].content
    return tuple(messages), ""


def continued(
    prompt: Sequence[Message], response: Sequence[Message]
) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Return prompt and response, the answer that the prompt begins moved to the response, whose beginning it is.

    So who judges a response reads one turn of the assistant, not two.
    """
    before, begun = begun_answer(prompt)
    if not (before and begun and response and response[0].role == "assistant"):
        return tuple(prompt), tuple(response)
    return before, (Message("assistant", begun + response[0].content), *response[1:])


def answer_text(messages: Sequence[Message]) -> str:
    """Return a response's text: the assistant's answer, then further turns with their roles."""
    if messages and messages[0].role == "assistant":
        return "\n".join([messages[0].content, *_with_roles(messages[1:])])
    return "\n".join(_with_roles(messages))


def clean(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages as valid Unicode: surrogate pairs joined, lone surrogates replaced.

    JSON may hold them, tokenizers refuse them.
    """
    return tuple(
        Message(message.role, message.content.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        for message in messages
    )


def defused(messages: Sequence[Message], marks: re.Pattern[str], *, every: bool) -> tuple[Message, ...]:
    """Return the messages with ``marks`` broken in what the assistant wrote, or in ``every`` message."""
    return tuple(
        dataclasses.replace(message, content=broken(message.content, marks))
        if every or message.role == "assistant"
        else message
        for message in messages
    )


def _with_roles(messages: Sequence[Message]) -> list[str]:
    return [f"{message.role}: {message.content}" for message in messages]
