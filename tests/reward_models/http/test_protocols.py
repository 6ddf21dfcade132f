"""Readers of answers: whatever JSON comes, each text has its own score or there is an error."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server_answers import openrlhf, sglang, vllm, vllm_pooling, vllm_score, worth

from rewardrouter.http.endpoint import BadAnswerError
from rewardrouter.reward_models.http.protocols import PROTOCOLS, NoScore

ANSWERS = {
    "vllm/classify": vllm,
    "vllm/score": vllm_score,
    "vllm/pooling": vllm_pooling,
    "sglang": sglang,
    "openrlhf": openrlhf,
}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
keys = st.sampled_from(["data", "index", "probs", "score", "embedding", "rewards", "x"])
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def texts(kind, count):
    if kind == "vllm/score":
        return [(f"q{n}", f"a{n}") for n in range(count)]
    if kind == "openrlhf":
        return [(f"q{n}a", f"q{n}", "") for n in range(count)]
    return [f"text {n}" for n in range(count)]


@pytest.mark.parametrize("kind", ANSWERS)
@given(count=st.integers(1, 6), data=st.data())
def test_scores_are_those_of_their_texts_in_whatever_order_the_results_come(kind, count, data):
    protocol, asked = PROTOCOLS[kind], texts(kind, count)
    answer = ANSWERS[kind](json.loads(json.dumps(protocol.body("m", asked))))
    if isinstance(answer, dict) and "data" in answer:
        answer["data"] = data.draw(st.permutations(answer["data"]))
    assert protocol.read(answer, count) == [worth(text) for text in asked]


@pytest.mark.parametrize("kind", ANSWERS)
@given(answer=anything, count=st.integers(1, 3))
def test_whatever_json_comes_there_are_finite_scores_or_reasons_or_an_error(kind, answer, count):
    try:
        found = PROTOCOLS[kind].read(answer, count)
    except BadAnswerError:
        return
    assert len(found) == count
    for value in found:
        assert isinstance(value, NoScore) or (type(value) is float and math.isfinite(value))


@pytest.mark.parametrize("kind", ["vllm/classify", "vllm/score", "vllm/pooling"])
@given(indices=st.lists(st.integers(-1, 4) | st.none() | st.booleans(), min_size=3, max_size=3))
def test_only_indices_that_name_each_text_once_are_accepted(kind, indices):
    rows = [{"index": n, "probs": [1.0], "score": 1.0, "data": [1.0]} for n in indices]
    valid = all(type(n) is int for n in indices) and sorted(indices) == [0, 1, 2]
    if valid:
        PROTOCOLS[kind].read({"data": rows}, 3)
    else:
        with pytest.raises(BadAnswerError, match="the indices of 3 results are not 0 to 2, each once"):
            PROTOCOLS[kind].read({"data": rows}, 3)


def test_a_classifier_with_two_labels_is_named():
    with pytest.raises(
        BadAnswerError, match="probs holds 2 values, expected 1: is it a reward model with one label"
    ):
        PROTOCOLS["vllm/classify"].read({"data": [{"index": 0, "probs": [0.1, 0.9]}]}, 1)
