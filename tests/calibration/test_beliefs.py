"""What is believed, verdict by verdict, and what one more would tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from held_out_rows import held_out_of, signals_of
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.calibration import EvidenceModel
from rewardrouter.calibration.beliefs import accuracy_of

N = 4
MODEL = EvidenceModel.fit(held_out_of(400, N))


def tell_all(model, signals, winners, margins, arms):
    """Tell verdicts one RM after the other; return the beliefs."""
    beliefs = model.begin(signals)
    rows = np.arange(len(winners))
    for n in arms:
        beliefs.tell(rows, np.full(len(rows), n), winners[:, n], margins[:, n])
    return beliefs


def verdicts(n_pairs, seed):
    random = np.random.default_rng(seed)
    return random.choice([-1, 0, 1], (n_pairs, N)), random.gamma(2.0, 1.0, (n_pairs, N))


def exchanged(signals):
    return dataclasses.replace(signals, reading=None if signals.reading is None else -signals.reading)


@settings(max_examples=25)
@given(st.integers(0, 200), st.booleans(), st.permutations(range(N)))
def test_exchanged_responses_change_the_sign_and_nothing_else(seed, reading, arms):
    signals = signals_of(12, N, seed, reading=reading)
    winners, margins = verdicts(12, seed)
    arms = arms[:3]
    one = tell_all(MODEL, signals, winners, margins, arms)
    other = tell_all(MODEL, exchanged(signals), -winners, margins, arms)
    np.testing.assert_array_equal(one.log_odds, -other.log_odds)
    rows = np.arange(12)
    gains, turned = (b.gains(rows, ~b.answered) for b in (one, other))
    np.testing.assert_allclose(gains, turned, atol=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 200), st.permutations(range(N)))
def test_the_order_in_which_rms_speak_does_not_matter(seed, arms):
    signals = signals_of(9, N, seed)
    winners, margins = verdicts(9, seed)
    one = tell_all(MODEL, signals, winners, margins, range(N))
    other = tell_all(MODEL, signals, winners, margins, arms)
    np.testing.assert_allclose(one.log_odds, other.log_odds, atol=1e-12)


def test_permuted_arms_permute_what_is_fitted_and_believed():
    order = [2, 0, 3, 1]
    held_out = held_out_of(400, N)
    one, other = EvidenceModel.fit(held_out), EvidenceModel.fit(held_out.arms(order))
    signals = signals_of(20, N, 5)
    winners, margins = verdicts(20, 5)
    permuted = dataclasses.replace(
        signals, scores=signals.scores[:, order], beliefs=signals.beliefs[:, order]
    )
    a = tell_all(one, signals, winners, margins, [0, 1])
    b = tell_all(other, permuted, winners[:, order], margins[:, order], [order.index(0), order.index(1)])
    np.testing.assert_allclose(a.log_odds, b.log_odds, atol=1e-6)
    rows = np.arange(20)
    np.testing.assert_allclose(a.gains(rows, ~a.answered)[:, order], b.gains(rows, ~b.answered), atol=1e-6)
    np.testing.assert_allclose(one.disagreement[np.ix_(order, order)], other.disagreement)


def test_no_verdict_is_no_evidence():
    signals = signals_of(6, N)
    beliefs = MODEL.begin(signals)
    before = beliefs.log_odds.copy()
    beliefs.tell(np.arange(6), np.zeros(6, int), np.zeros(6, int), np.full(6, 3.0))
    np.testing.assert_array_equal(beliefs.log_odds, before)
    assert not beliefs.answered.any()


def test_without_a_reading_nothing_is_believed_at_first():
    beliefs = MODEL.begin(signals_of(6, N, reading=False))
    np.testing.assert_array_equal(beliefs.log_odds, 0.0)
    np.testing.assert_array_equal(beliefs.probability, 0.5)


def test_a_reading_that_tells_nothing_gets_no_weight():
    held_out = held_out_of(400, N)
    against = dataclasses.replace(held_out.signals, reading=-held_out.labels.astype(float))
    assert EvidenceModel.fit(dataclasses.replace(held_out, signals=against)).reading_weight == 0.0
    assert MODEL.reading_weight > 0.0


@pytest.mark.parametrize("told", [0, 2])
def test_who_is_mostly_wrong_tells_as_much_as_who_is_as_often_right(told):
    model = EvidenceModel.fit(held_out_of(400, N), independence=np.inf)
    right = model.correctness.weights * [1, 0, 1]  # margins count one way only
    wrong = np.where(np.arange(N)[:, None] < told, right, -right)
    signals, (winners, margins) = signals_of(20, N, 5), verdicts(20, 5)
    gains = []
    for weights in (right, wrong):
        turned = dataclasses.replace(
            model, correctness=dataclasses.replace(model.correctness, weights=weights)
        )
        beliefs = tell_all(turned, signals, winners, margins, range(told))
        gains.append(beliefs.gains(np.arange(20), np.tile(np.arange(N) >= told, (20, 1))))
    np.testing.assert_allclose(*gains, atol=1e-12)
    assert (gains[0][:, told:] > 0).any()


@settings(max_examples=25)
@given(st.integers(0, 300), st.integers(0, N - 1))
def test_information_is_never_negative_and_only_of_candidates(seed, told):
    signals = signals_of(10, N, seed)
    winners, margins = verdicts(10, seed)
    beliefs = tell_all(MODEL, signals, winners, margins, range(told))
    candidates = ~beliefs.answered & (np.random.default_rng(seed).random((10, N)) < 0.7)
    gains = beliefs.gains(np.arange(10), candidates)
    assert (gains[candidates] >= 0).all()
    assert (gains[~candidates] == -np.inf).all()


def test_information_is_what_answers_drawn_at_random_bring():
    """For an independent witness at known log odds l, against verdicts drawn from its own chances."""
    independent = EvidenceModel.fit(held_out_of(400, N), independence=np.inf)
    signals = signals_of(1, N, 3)
    beliefs = independent.begin(signals)
    found = beliefs.gains(np.array([0]), np.eye(N, dtype=bool)[:1])[0, 0]
    random = np.random.default_rng(0)
    prior = 1.0 / (1.0 + np.exp(-beliefs.log_odds[0]))

    def entropy(p):
        return -(p * np.log(p) + (1 - p) * np.log(1 - p))

    drawn = []
    for logit in independent.correctness.typical_logits(signals.beliefs)[0, 0]:
        truth = np.where(random.random(40_000) < prior, 1, -1)
        right = random.random(40_000) < 1.0 / (1.0 + np.exp(-max(logit, 0.0)))
        odds = beliefs.log_odds[0] + np.where(right, truth, -truth) * max(logit, 0.0)
        drawn.append(entropy(prior) - entropy(1.0 / (1.0 + np.exp(-odds))).mean())
    assert found == pytest.approx(np.mean(drawn), abs=0.004)


def test_an_rm_that_repeats_another_tells_less_than_one_of_its_own():
    held_out = held_out_of(3000, 2)
    both = held_out.with_arm(held_out.signals.scores[:, 0], held_out.signals.beliefs[:, 0])
    winners, margins = both.winners.copy(), both.margins.copy()
    winners[:, 2], margins[:, 2] = winners[:, 0], margins[:, 0]
    model = EvidenceModel.fit(dataclasses.replace(both, winners=winners, margins=margins))
    # Equal in all but what they share: the RM 1, and the copy of RM 0, at the same beliefs.
    signals = dataclasses.replace(both.signals.select(np.arange(50)), beliefs=np.zeros((50, 3)))
    beliefs = model.begin(signals)
    rows = np.arange(50)
    beliefs.tell(rows, np.zeros(50, int), winners[:50, 0], margins[:50, 0])
    gains = beliefs.gains(rows, ~beliefs.answered)
    assert (gains[:, 1] > 2.0 * gains[:, 2]).mean() > 0.9


def test_beliefs_come_true_on_other_pairs():
    held_out = held_out_of(6000, N)
    model = EvidenceModel.fit(held_out.select(np.arange(3000)))
    unseen = held_out.select(np.arange(3000, 6000))
    beliefs = tell_all(model, unseen.signals, unseen.winners, unseen.margins, range(N))
    right = beliefs.log_odds * unseen.labels > 0
    for low in (0.5, 0.7, 0.9):
        inside = (beliefs.probability >= low) & (beliefs.probability < low + 0.2)
        assert right[inside].mean() == pytest.approx(beliefs.probability[inside].mean(), abs=0.05)


def test_accuracy_is_the_share_of_right_verdicts_and_the_mean_where_there_are_none():
    held_out = held_out_of(2000, 3)
    more = held_out.with_arm(np.zeros(2000), np.zeros(2000))
    found = accuracy_of(more)
    np.testing.assert_allclose(found[:3], held_out.behaviour.mean(axis=0), atol=0.002)
    assert found[3] == pytest.approx(held_out.behaviour.mean(), abs=0.002)
