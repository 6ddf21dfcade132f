"""Where the prompt ends, in texts that begin with it."""

from __future__ import annotations

import pytest

from rewardrouter.datasets.pairs import pairs_of_rows
from rewardrouter.pairs import Message

HH = "\n\nHuman: Where?\n\nAssistant:"
USER, ANSWER = {"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Here"}
OTHER = {"role": "assistant", "content": "He left"}
PREFIXES = [
    HH,
    f"{HH} There.\n\nHuman: And then?\n\nAssistant:",
    "Q: Where?\nA:",
    "User: Where?\nAssistant:",
    "### Instruction:\nWhere?\n\n### Response:",
    "<|user|>\nWhere?\n<|assistant|>\n",
    "<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n",
    "<|start_header_id|>user<|end_header_id|>\n\nWhere?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "[INST] Where? [/INST]",
    "Where is it?",
    "Where is it?\n",
    "where is it now",
    "它在哪里？",
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_pairs_of_one_question_have_one_prompt_whatever_their_answers_share(prefix: str) -> None:
    answers = [(" Perhaps here", " Paris"), (" Up", " Down"), (" Here it was", " Hereby")]
    rows = [{"chosen": prefix + one, "rejected": prefix + other} for one, other in answers]
    pairs = pairs_of_rows(rows, "rows").pairs
    assert {pair.prompt for pair in pairs} == {prefix}
    assert len({pair.group for pair in pairs}) == 1
    assert [{pair.response_a, pair.response_b} for pair in pairs] == [set(both) for both in answers]


def test_a_line_of_an_answer_begins_no_other_one() -> None:
    rows = [{"chosen": "Q: Which?\nA: First\nA: x", "rejected": "Q: Which?\nA: First\nA: y"}]
    assert pairs_of_rows(rows, "rows").pairs[0].prompt == "Q: Which?\nA:"


@pytest.mark.parametrize("form", [("chosen", "rejected"), ("response_a", "response_b")])
@pytest.mark.parametrize(
    ("prompt", "one", "other"),
    [
        ([USER], [USER, ANSWER], [USER, OTHER]),
        ("Where?", HH + " Here", HH + " He left"),
        (HH, HH + "Here", HH + "He left"),
    ],
)
def test_a_prompt_is_taken_out_of_responses_that_repeat_it(form, prompt, one, other) -> None:  # type: ignore[no-untyped-def]
    (pair,) = pairs_of_rows([{"prompt": prompt, form[0]: one, form[1]: other}], "rows").pairs
    found = [
        text if isinstance(text, str) else text[0].content for text in (pair.response_a, pair.response_b)
    ]
    assert sorted(found) == ["He left", "Here"]
    assert pair.prompt == ((Message("user", "Where?"),) if isinstance(prompt, list) else prompt)


def test_responses_that_only_begin_alike_stay_whole() -> None:
    (pair,) = pairs_of_rows(
        [{"prompt": "Hi", "response_a": "Hi there", "response_b": "Hi you"}], "rows"
    ).pairs
    assert (pair.prompt, pair.response_a) == ("Hi", "Hi there")
