"""Tokens drawn by inverse transform sampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rewardrouter.config.generation import SamplingSettings
from rewardrouter.training.sampling import InverseTransform, draw_tokens, response_uniforms

ALMOST_ONE = 1 - 2.0**-53
"""The largest uniform number."""


def test_frequencies_are_those_of_the_softmax() -> None:
    scores = torch.randn(1, 40, generator=torch.Generator().manual_seed(0)) * 2
    uniforms = torch.from_numpy(np.random.default_rng(0).random(40_000))
    found = np.bincount(draw_tokens(scores.expand(len(uniforms), -1), uniforms), minlength=40)
    expected = scores[0].double().softmax(-1).numpy() * len(uniforms)
    common = expected >= 5
    counts = [*found[common], found[~common].sum()]
    wanted = [*expected[common], expected[~common].sum()]
    assert stats.chisquare(counts, np.array(wanted) * sum(counts) / sum(wanted)).pvalue > 1e-3


def test_a_vocabulary_of_150_000_in_bf16_is_drawn_from_as_exact_sums_have_it() -> None:
    torch.manual_seed(0)
    scores = (torch.randn(16, 150_000) / 2).bfloat16().float()
    tokens = torch.randint(75_000, 150_000, (16,)).tolist()
    bounds = []
    for row, token in zip(scores.softmax(-1).double().tolist(), tokens, strict=True):
        bounds.append([math.fsum(row[:token]), math.fsum(row[: token + 1]), math.fsum(row)])
    first, last, total = torch.tensor(bounds, dtype=torch.float64).T
    assert draw_tokens(scores, (first + 1e-11) / total).tolist() == tokens
    assert draw_tokens(scores, (last - 1e-11) / total).tolist() == tokens


@given(
    st.lists(st.sampled_from([-math.inf, -200.0, -3.0, 0.0, 4.0]), min_size=2, max_size=12).filter(
        lambda row: max(row) > -math.inf
    ),
    st.one_of(st.sampled_from([0.0, 2.0**-60, 0.5, ALMOST_ONE]), st.floats(0, ALMOST_ONE)),
)
def test_a_token_that_cannot_come_is_never_drawn(row: list[float], u: float) -> None:
    scores = torch.tensor([row])
    token = int(draw_tokens(scores, torch.tensor([u], dtype=torch.float64)))
    assert scores.softmax(-1)[0, token] > 0


def test_ends_of_the_unit_interval_give_the_first_and_the_last_token_that_can_come() -> None:
    scores = torch.tensor([[-math.inf, 0.0, 0.0, 0.0, -math.inf]] * 2)
    assert draw_tokens(scores, torch.tensor([0.0, ALMOST_ONE], dtype=torch.float64)).tolist() == [1, 3]


def nucleus(row: np.ndarray, settings: SamplingSettings) -> set[int]:
    """The tokens that top-k, then top-p, leave, by hand."""
    order = np.argsort(-row, kind="stable")[: settings.top_k or None]
    weights = np.exp(row[order] / settings.temperature)
    before = np.cumsum(weights / weights.sum()) - weights / weights.sum()
    return {int(token) for token, mass in zip(order, before, strict=True) if mass < settings.top_p}


@pytest.mark.parametrize(
    "given_settings",
    [{}, {"temperature": 1.0}, {"top_k": 5}, {"top_p": 0.7}, {"temperature": 2.0, "top_k": 20, "top_p": 0.5}],
)
def test_temperature_top_k_and_top_p_as_by_hand(given_settings: dict[str, float]) -> None:
    settings = SamplingSettings.model_validate(given_settings)
    n = 4000
    scores = torch.randn(1, 30, generator=torch.Generator().manual_seed(1)) * 2
    uniforms = torch.from_numpy(np.random.default_rng(1).random((n, 2)))
    sampler = InverseTransform(settings, uniforms, 3)
    left = sampler(torch.zeros(n, 4, dtype=torch.int64), scores.repeat(n, 1))
    assert (left.isfinite().sum(-1) == 1).all()
    row = scores[0].double().numpy()
    kept = nucleus(row, settings)
    found = np.bincount(left.argmax(-1), minlength=30)
    assert {int(token) for token in np.flatnonzero(found)} <= kept
    expected = np.array([np.exp(row[token] / settings.temperature) for token in kept])
    expected *= n / expected.sum()
    observed = np.array([found[token] for token in kept])
    common = expected >= 5
    counts = np.array([*observed[common], observed[~common].sum() + 1e-9])
    wanted = np.array([*expected[common], expected[~common].sum() + 1e-9])
    assert stats.chisquare(counts, wanted).pvalue > 1e-3


def test_every_position_takes_its_own_number() -> None:
    uniforms = torch.tensor([[0.1, 0.6, 0.9], [0.9, 0.1, 0.4]], dtype=torch.float64)
    sampler = InverseTransform(SamplingSettings(temperature=1), uniforms, 2)
    even = torch.zeros(2, 4)
    drawn = [sampler(torch.zeros(2, 2 + t, dtype=torch.int64), even).argmax(-1).tolist() for t in range(3)]
    assert drawn == [[0, 3], [2, 0], [3, 1]]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_noticed(broken: float) -> None:
    sampler = InverseTransform(SamplingSettings(), torch.full((2, 3), 0.5, dtype=torch.float64), 1)
    sampler(torch.zeros(2, 1, dtype=torch.int64), torch.tensor([[0.0, -math.inf], [1.0, 2.0]]))
    assert sampler.finite
    sampler(torch.zeros(2, 2, dtype=torch.int64), torch.tensor([[0.0, broken], [1.0, 2.0]]))
    sampler(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 2))
    assert not sampler.finite


def test_a_response_keeps_its_numbers_when_it_may_be_longer() -> None:
    key = {"seed": 1, "step": 2, "prompt": "p", "number": 3}
    assert np.array_equal(response_uniforms(5, **key), response_uniforms(50, **key)[:5])
    for other in ({"seed": 2}, {"step": 3}, {"prompt": "q"}, {"number": 4}):
        assert not np.array_equal(response_uniforms(5, **key), response_uniforms(5, **{**key, **other}))


def test_the_numbers_are_uniform() -> None:
    drawn = [
        response_uniforms(8, seed=0, step=step, prompt="p", number=n) for step in range(200) for n in range(6)
    ]
    assert stats.kstest(np.concatenate(drawn), "uniform").pvalue > 1e-3
