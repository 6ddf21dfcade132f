"""The templates that come with the package."""

import re

import pytest

from rewardrouter.errors import ConfigError
from rewardrouter.reward_models.judges.opinion import Output, read_opinion
from rewardrouter.reward_models.judges.prompt import JudgePrompt, delimiters
from rewardrouter.reward_models.judges.templates import find_template, judge_templates

ANSWERS = {
    "skywork-critic": "[[{}]]",
    "selene-1-mini": "**Reasoning:** The one is terse.\n\n**Result:** {}",
    "rise-judge": "逐步分析：两个回答都正确。\n因此 [[{}]]",
    "mt-bench-pair": "Assistant A is terse, Assistant B is not. My final verdict is: [[{}]].",
    "generic": "Both are right.\n[[{}]]",
}


def test_there_is_an_answer_of_each_here():
    assert set(ANSWERS) == set(judge_templates())


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_that_a_template_asks_for_is_read(name):
    template = judge_templates()[name]
    for word, winner in (("A", "A"), ("B", "B"), ("C", "tie")):
        found = read_opinion(template, Output(ANSWERS[name].format(word), cut=False, tokens=()))
        assert found.winner == (winner if word != "C" or template.tie == "C" else None)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_question_is_the_template_with_the_texts_in_their_places(name):
    template = judge_templates()[name]
    messages = JudgePrompt(template).messages("2+2?", "4", "„5“ {answer_a}")
    roles = [message["role"] for message in messages]
    assert roles == (["user"] if template.system is None else ["system", "user"])
    expected = template.user.replace("{question}", "2+2?").replace("{answer_b}", "„5“ \0")
    assert messages[-1]["content"] == expected.replace("{answer_a}", "4").replace("\0", "{answer_a}")


def test_skyworks_question_is_as_its_authors_write_it():
    (message,) = JudgePrompt(find_template("skywork-critic")).messages("Why?", "So.", "Thus.")
    assert re.sub(r"^.*?(?=\[User Question\])", "", message["content"], flags=re.DOTALL) == (
        "[User Question]\nWhy?\n\n"
        "[The Start of Assistant A's Answer]\nSo.\n[The End of Assistant A's Answer]\n\n"
        "[The Start of Assistant B's Answer]\nThus.\n[The End of Assistant B's Answer]\n"
    )


def test_the_delimiters_are_found_in_the_template():
    blocks = (
        "[User Question]",
        "[The Start of Assistant A's Answer]",
        "[The End of Assistant A's Answer]",
        "[The Start of Assistant B's Answer]",
        "[The End of Assistant B's Answer]",
    )
    assert {name: delimiters(template.user) for name, template in judge_templates().items()} == {
        "skywork-critic": blocks,
        "mt-bench-pair": blocks,
        "selene-1-mini": (),  # fenced
        "rise-judge": ("问题：", "回答A：", "回答B："),
        "generic": ("<question>", "</question>", "<answer_a>", "</answer_a>", "<answer_b>", "</answer_b>"),
    }


def test_a_name_that_is_none_is_told_with_those_there_are():
    with pytest.raises(
        ConfigError, match=r"no judge template 'skywork-crtic'\. Did you mean skywork-critic\? Known: "
    ):
        find_template("skywork-crtic")
