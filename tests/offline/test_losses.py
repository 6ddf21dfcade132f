"""Eqs. 2 and 3 against loops over their index sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.offline.losses import bt_loss, cls_loss

CELLS = st.sampled_from([0.0, 1.0, math.nan])


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw scores and behaviour ``[B, N]``."""
    n_pairs, n_rms = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    cells = draw(st.lists(CELLS, min_size=n_pairs * n_rms, max_size=n_pairs * n_rms))
    seed = draw(st.integers(0, 1000))
    scores = torch.from_numpy(np.random.default_rng(seed).normal(scale=3, size=(n_pairs, n_rms)))
    return scores, torch.tensor(cells).reshape(n_pairs, n_rms)


def loop_bt(scores: torch.Tensor, behaviour: torch.Tensor) -> list[float]:
    return [
        -math.log(1 / (1 + math.exp(-(scores[i, n] - scores[i, m]))))
        for i in range(len(scores))
        for n in range(scores.shape[1])
        for m in range(scores.shape[1])
        if behaviour[i, n] == 1 and behaviour[i, m] == 0
    ]


def loop_cls(logits: torch.Tensor, behaviour: torch.Tensor) -> list[float]:
    terms = []
    for logit, delta in zip(logits.flatten().tolist(), behaviour.flatten().tolist(), strict=True):
        if not math.isnan(delta):
            p = 1 / (1 + math.exp(-logit))
            terms.append(-delta * math.log(p) - (1 - delta) * math.log(1 - p))
    return terms


def mean(terms: list[float]) -> float:
    return sum(terms) / len(terms) if terms else 0.0


@given(batches())
def test_eq_2_is_the_mean_over_the_disagreement_set(batch):
    assert float(bt_loss(*batch)) == pytest.approx(mean(loop_bt(*batch)), abs=1e-12)


@given(batches())
def test_eq_3_is_the_mean_over_observed_entries(batch):
    assert float(cls_loss(*batch)) == pytest.approx(mean(loop_cls(*batch)), abs=1e-12)


@given(batches(), st.integers(0, 100))
def test_scores_of_missing_verdicts_do_not_matter(batch, seed):
    scores, behaviour = batch
    noise = torch.from_numpy(np.random.default_rng(seed).normal(size=scores.shape))
    other = torch.where(behaviour.isnan(), noise, scores)
    for loss in (bt_loss, cls_loss):
        assert float(loss(scores, behaviour)) == float(loss(other, behaviour))


@given(batches(), st.floats(-5, 5))
def test_eq_2_sees_differences_of_scores_only(batch, shift):
    scores, behaviour = batch
    assert float(bt_loss(scores + shift, behaviour)) == pytest.approx(float(bt_loss(scores, behaviour)))


@pytest.mark.parametrize("loss", [bt_loss, cls_loss])
def test_nothing_to_compare_is_0_with_gradient_0(loss):
    scores = torch.randn(3, 2, requires_grad=True)
    value = loss(scores, torch.full((3, 2), math.nan))
    value.backward()
    assert value.item() == 0
    assert not scores.grad.any()


@pytest.mark.parametrize("batch_size", [1, 4, 8])
def test_the_mean_over_an_epochs_batches_is_the_loss_of_the_whole_set(batch_size):
    random = np.random.default_rng(0)
    behaviour = torch.from_numpy(random.choice([0.0, 1.0, np.nan], size=(24, 4), p=[0.3, 0.5, 0.2]))
    scores = torch.from_numpy(random.normal(size=(24, 4)))
    per_pair = len(loop_bt(scores, behaviour)) / 24
    whole = float(bt_loss(scores, behaviour))
    rows = torch.from_numpy(random.permutation(24)).split(batch_size)
    parts = [float(bt_loss(scores[r], behaviour[r], per_pair)) for r in rows]
    assert np.mean(parts) == pytest.approx(whole, rel=1e-12)
    # The mean over each batch's own disagreements is not: batches with few of them weigh as much.
    own = [float(bt_loss(scores[r], behaviour[r])) for r in rows]
    assert np.mean(own) != pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("loss", [bt_loss, cls_loss])
def test_leading_dimensions_are_models_of_an_ensemble(loss):
    random = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=random)
    behaviour = torch.randint(0, 2, (5, 4), generator=random).double()
    behaviour[1, 2] = math.nan
    together = loss(scores, behaviour)
    assert together.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            assert float(together[i, j]) == pytest.approx(float(loss(scores[i, j], behaviour)), rel=1e-12)


@pytest.mark.parametrize("loss", [bt_loss, cls_loss, lambda s, b: bt_loss(s, b, 1.7)])
def test_gradients_are_those_of_finite_differences(loss):
    random = torch.Generator().manual_seed(1)
    scores = torch.randn(4, 3, dtype=torch.float64, generator=random, requires_grad=True)
    behaviour = torch.tensor([[1, 0, 0], [1, 1, 0], [math.nan, 1, 0], [1, 1, 1]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: loss(s, behaviour), (scores,))


@pytest.mark.parametrize("loss", [bt_loss, cls_loss])
def test_extreme_scores_stay_finite(loss):
    scores = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    value = loss(scores, torch.tensor([[1.0, 0.0]]))
    value.backward()
    assert value.isfinite()
    assert scores.grad.isfinite().all()
