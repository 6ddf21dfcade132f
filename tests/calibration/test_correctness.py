"""How sure a verdict is: monotone in its margin, drawn toward the pool where little is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from held_out_rows import held_out_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from rewardrouter.calibration import Correctness
from rewardrouter.calibration.reliability import calibration_error


def probability(model, margin, n, belief=None):
    """P(RM n is right) for one margin, at its mean belief."""
    n_rms = len(model.weights)
    beliefs = model.centre[None] if belief is None else np.full((1, n_rms), belief)
    logit = model.logits(np.full((1, n_rms), margin), beliefs)[0, n]
    return float(1.0 / (1.0 + np.exp(-logit)))


@settings(max_examples=30)
@given(st.integers(0, 500), st.integers(3, 80))
def test_more_decided_is_never_less_right(seed, n_pairs):
    held_out = held_out_of(n_pairs, 3, seed)
    random = np.random.default_rng(seed)
    # Whatever the verdicts say, also where large margins are the wrong ones.
    held_out = dataclasses.replace(held_out, winners=random.choice([-1, 0, 1], held_out.winners.shape))
    model = Correctness.fit(held_out)
    margins = np.linspace(0.0, 20.0, 30)[:, None] * np.ones(3)
    logits = model.logits(margins, np.zeros((30, 3)))
    assert (np.diff(logits, axis=0) >= -1e-12).all()
    assert model.common[1] >= 0
    assert (model.weights[:, 1] >= 0).all()


def test_the_unit_of_an_rms_scores_does_not_matter():
    held_out = held_out_of(300, 3)
    scaled = dataclasses.replace(held_out, margins=held_out.margins * np.array([1.0, 100.0, 0.01]))
    one, other = Correctness.fit(held_out), Correctness.fit(scaled)
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-8)
    assert probability(one, 2.0, 1) == pytest.approx(probability(other, 200.0, 1))


def test_with_many_verdicts_the_probabilities_hold_on_other_pairs():
    held_out = held_out_of(8000, 3)
    model = Correctness.fit(held_out.select(np.arange(4000)))
    unseen = held_out.select(np.arange(4000, 8000))
    predicted = 1.0 / (1.0 + np.exp(-model.logits(unseen.margins, unseen.signals.beliefs)))
    for n in range(3):
        assert calibration_error(predicted[:, n], unseen.behaviour[:, n]) < 0.03


def test_an_rm_whose_margins_mislead_keeps_its_base_rate():
    """It is the more wrong, the more decided it is; the common weight of margins stays that of the others."""
    held_out = held_out_of(2000, 3)
    random = np.random.default_rng(1)
    margins = random.lognormal(0.0, 1.5, held_out.margins.shape)
    decided = np.minimum(np.sqrt(margins), 3.0) - 1.0
    chance = expit(1.4 + np.array([-1.5, 0.5, 0.5]) * decided)
    right = random.random(chance.shape) < chance
    winners = np.where(right, held_out.labels[:, None], -held_out.labels[:, None])
    held_out = dataclasses.replace(held_out, margins=margins, winners=winners)
    model = Correctness.fit(held_out)
    predicted = expit(model.logits(margins, held_out.signals.beliefs))
    np.testing.assert_allclose(predicted.mean(axis=0), right.mean(axis=0), atol=0.01)
    assert model.weights[0, 1] == 0.0
    assert (model.weights[1:, 1] > 0.3).all()
    assert model.common[1] > 0.3


def test_an_rm_without_scores_gets_its_base_rate():
    held_out = held_out_of(4000, 2, reading=False)
    signals = dataclasses.replace(held_out.signals, beliefs=np.zeros((4000, 2)))
    nothing = np.full_like(held_out.margins, np.nan)
    model = Correctness.fit(dataclasses.replace(held_out, signals=signals, margins=nothing))
    for n in range(2):
        assert probability(model, np.nan, n) == pytest.approx(held_out.behaviour[:, n].mean(), abs=0.01)
    assert (model.nodes == 0).all()


def test_an_rm_never_seen_is_worth_what_rms_are_worth():
    held_out = held_out_of(500, 3)
    more = held_out.with_arm(held_out.signals.scores[:, 0], held_out.signals.beliefs[:, 0])
    model = Correctness.fit(more)
    np.testing.assert_allclose(model.weights[3, 1:], model.common[1:], atol=1e-8)
    # What the router believes of it counts, as of every other.
    belief = model.centre[3] - model.centre.mean()
    assert model.weights[3, 0] == pytest.approx(model.common[0] + belief, abs=1e-8)
    np.testing.assert_allclose(model.common[1:], Correctness.fit(held_out).common[1:], atol=1e-2)


@pytest.mark.parametrize(("n_seen", "low", "high"), [(2, 0.4, 0.6), (4, 0.2, 0.4), (3000, 0.0, 0.02)])
def test_few_verdicts_say_little_and_many_say_all(n_seen, low, high):
    """An RM that was always wrong so far, among others that are right on seven pairs of ten."""
    held_out = held_out_of(3000, 4)
    winners = held_out.winners.copy()
    winners[:, 3] = -held_out.labels
    winners[n_seen:, 3] = 0
    model = Correctness.fit(dataclasses.replace(held_out, winners=winners))
    assert probability(model, float(model.median[0]), 0) == pytest.approx(0.7, abs=0.03)
    assert low < probability(model, float(model.median[3]), 3) < high


def test_without_any_verdict_the_classification_head_is_believed():
    held_out = held_out_of(20, 2)
    model = Correctness.fit(dataclasses.replace(held_out, winners=np.zeros((20, 2), np.int64)))
    beliefs = held_out.signals.beliefs
    np.testing.assert_allclose(model.logits(held_out.margins, beliefs), beliefs, atol=1e-8)


def test_before_it_answers_the_mean_over_its_typical_margins_is_expected():
    held_out = held_out_of(400, 3)
    margins = held_out.margins.copy()
    margins[:, 2] = np.nan  # a judge
    model = Correctness.fit(dataclasses.replace(held_out, margins=margins))
    beliefs = held_out.signals.beliefs
    expected = model.expected(beliefs)
    said = expit(model.logits(margins, beliefs))
    np.testing.assert_allclose(expected[:, 2], said[:, 2])
    for n in range(2):
        assert expected[:, n].mean() == pytest.approx(said[:, n].mean(), abs=0.02)
