"""Every data set of prompts, from a row in its documented schema."""

import json

import pytest
from native_rows import NATIVE, assistant, native, user, without

from rewardrouter.datasets.sources import SOURCES
from rewardrouter.datasets.texts import BadRow
from rewardrouter.errors import DataError
from rewardrouter.reward_models.verifiers.checks import exact


def read(name, **changed):
    return SOURCES[name].read(native(name, **changed))


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("iterative-prompts", "context_messages"),
        ("gsm8k", "question"),
        ("gsm8k", "answer"),
        *(("mmlu", column) for column in ("question", "choices", "answer")),
    ],
)
def test_a_missing_column_is_named(name, column):
    with pytest.raises(DataError, match=rf"row 3: no column {column}\."):
        SOURCES[name].read(without(name, column))


def test_iterative_prompts_are_conversations_that_end_with_the_user():
    one = read("iterative-prompts")
    assert (one.prompt, one.name) == (NATIVE["iterative-prompts"]["context_messages"], "p1")
    assert one.domain == "ultrafeedback"
    bare = SOURCES["iterative-prompts"].read(without("iterative-prompts", "id"))
    assert bare.name is None
    with pytest.raises(BadRow, match="no_last_question"):
        read("iterative-prompts", context_messages=[user("q"), assistant("a")])


def test_gsm8k_has_the_number_behind_the_mark():
    one = read("gsm8k")
    assert (one.prompt, one.answer, one.domain) == ("How many clips?", "1072", "math")
    with pytest.raises(BadRow, match="no_gold_answer"):
        read("gsm8k", answer="24 clips")


def test_gold_answers_of_gsm8k_verify_its_solutions(shared_data):
    lines = (shared_data / "benchmarks" / "gsm8k_train.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines[::20]:
        row = json.loads(line)
        assert exact(row["answer"], {"answer": read("gsm8k", **row).answer}), row


def test_mmlu_names_choices_by_letters():
    one = read("mmlu")
    assert one.prompt == "Which is even?\nA. 1\nB. 3\nC. 4\nD. 5"
    assert (one.answer, one.domain) == ("C", "number_theory")
    assert one.facts == {"choices": ["1", "3", "4", "5"]}
    assert read("mmlu", subject="").domain is None  # of auxiliary_train
    with pytest.raises(DataError, match="a whole number from 0 to 3, found 4"):
        read("mmlu", answer=4)
    with pytest.raises(DataError, match="a list of 4 texts"):
        read("mmlu", choices=["1", "2"])
