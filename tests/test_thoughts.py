"""What counts as a model's answer, and what as its thoughts."""

from __future__ import annotations

import pytest

from rewardrouter.thoughts import answer_of, answer_start, opens_thoughts


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 5.", "The answer is 5."),
        ("<think>maybe 4</think> The answer is 5.", " The answer is 5."),
        ("<think>\n</think>\n\n5", "\n\n5"),
        ("maybe 4</think> 5", " 5"),  # the template opened them
        ("<think>a</think> 4? <think>b</think> 5", " 5"),
        ("<THINK>a</THINK>5", "5"),
        ("<thinking>a</thinking>5", "5"),
        ("[THINK]a[/THINK]5", "5"),
        ("◁think▷a◁/think▷5", "5"),
        ("<|begin_of_thought|>a<|end_of_thought|>5", "5"),
        ("<|channel|>analysis<|message|>4?<|end|><|start|>assistant<|channel|>final<|message|>5", "5"),
        ("<think>maybe 4", None),
        ("The answer is 4. <think>or 5", None),
        ("<think>a</think> 4 <think>wait", None),
        ("The response writes `<think>` first. 5", "The response writes `<think>` first. 5"),
        ('<think>it ends with "</think>" there', None),
        ('<think>Maybe "B"</think> A.', " A."),
        ("<think>hm `x`</think>3", "3"),
        ('maybe "yes"</think> no', " no"),
        ("", ""),
    ],
)
def test_the_answer_is_what_follows_the_thoughts(text: str, answer: str | None) -> None:
    assert answer_of(text) == answer


def test_thoughts_that_the_prompt_opened_must_end() -> None:
    assert opens_thoughts("<|assistant|>\n<think>\n")
    assert not opens_thoughts("<|assistant|>\n<think>\n\n</think>\n\n")
    assert not opens_thoughts("What do you think?")
    assert answer_of("maybe 4", opened=True) is None
    assert answer_of("maybe 4</think>5", opened=True) == "5"


def test_the_place_is_an_index_into_the_text() -> None:
    text = "<think>a</think>B"
    assert answer_start(text) == text.index("B")
