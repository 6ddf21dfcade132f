"""The bandit is taught by another's order of the completions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from rewardrouter.errors import DataError
from rewardrouter.integrations.batches import Completions
from rewardrouter.integrations.feedback import NoFeedback, VerifierFeedback, order_agreement

orders = st.integers(2, 8).flatmap(lambda n: st.tuples(st.permutations(range(n)), st.permutations(range(n))))


def completions(texts, **columns):
    rows = [
        {"prompt": "p", **{name: values[n] for name, values in columns.items()}} for n in range(len(texts))
    ]
    return Completions(["p"] * len(texts), texts, texts, [], rows)


@given(orders)
def test_without_ties_it_is_kendalls_tau_brought_to_0_and_1(both):
    one, other = both
    tau = kendalltau(one, other).statistic
    found = order_agreement(np.array(one, float), [float(value) for value in other], 0.0)
    assert found == pytest.approx((1 + tau) / 2)


@given(orders)
def test_turning_one_order_round_turns_the_reward(both):
    scores, values = np.array(both[0], float), [float(value) for value in both[1]]
    turned = order_agreement(-scores, values, 0.0)
    assert turned == pytest.approx(1 - order_agreement(scores, values, 0.0))


def test_by_hand():
    scores = np.array([3.0, 1.0, 1.0, 2.0])
    # Of six pairs, those of right with wrong count: (0,1) agrees, (0,2) agrees, (3,1) agrees, (3,2) agrees.
    assert order_agreement(scores, [1.0, 0.0, 0.0, 1.0], 0.0) == 1.0
    # (1,0) disagrees, (1,2) ties, (1,3) disagrees.
    assert order_agreement(scores, [0.0, 1.0, 0.0, 0.0], 0.0) == pytest.approx(0.5 / 3)


def test_no_difference_no_reward():
    scores = np.array([1.0, 2.0])
    assert order_agreement(scores, [1.0, 1.0], 0.0) is None
    assert order_agreement(scores, [0.0, 0.0009], 1e-3) is None
    assert order_agreement(scores, [0.0, None], 0.0) is None
    assert order_agreement(scores[:1], [1.0], 0.0) is None


def test_a_verifier_sees_text_and_row():
    feedback = VerifierFeedback(lambda text, row: None if text == "?" else len(text) == row["length"])
    assert feedback.values(completions(["ab", "abc", "?"], length=[2, 2, 2])) == [1.0, 0.0, None]


def test_gold_answers_are_compared_after_taking_the_answer_out():
    plain = VerifierFeedback.gold("gold")
    assert plain.values(completions([" 7 ", "it is 7"], gold=[7, 7])) == [1.0, 0.0]
    last = VerifierFeedback.gold("gold", lambda text: text.split()[-1])
    assert last.values(completions([" 7 ", "it is 7"], gold=["... 7", "8"])) == [1.0, 0.0]


def test_thoughts_are_not_read():
    gold = VerifierFeedback.gold("gold", lambda text: text.split()[-1])
    texts = ["<think>7</think> It is 5", "<think>5</think> It is 7", "<think> It is 5", "7</think> 5"]
    assert gold.values(completions(texts, gold=[5] * 4)) == [1.0, 0.0, None, 1.0]


def test_a_users_mistakes_are_told():
    with pytest.raises(DataError, match=r"no column 'anwser'. Did you mean answer\? It has: prompt, answer"):
        VerifierFeedback.gold("anwser").values(completions(["a"], answer=["a"]))
    with pytest.raises(DataError, match="the verifier said nan"):
        VerifierFeedback(lambda text, row: float("nan")).values(completions(["a"]))


def test_no_feedback_says_nothing():
    assert NoFeedback().values(completions(["a", "b"])) == [None, None]
