"""The length-controlled win rate: as alpaca_eval computes it, and the laws that it obeys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from rewardrouter.benchmarks.length_control import STRENGTHS, Gamed, LengthController, fit_l1, read_gamed
from rewardrouter.config.benchmark import GlmName
from rewardrouter.errors import DataError

GLMS: tuple[GlmName, ...] = ("length_controlled_v1", "length_controlled_noreg", "length_controlled_minimal")

# What alpaca_eval 0.6.6 (get_length_controlled_winrate, scikit-learn's LogisticRegressionCV) says of made_up(seed, n,
# effect, bias, gamed_bias), in the order of GLMS; liblinear stops a little before the optimum.
ALPACA_EVAL = {
    (0, 805, 0.3, 1.0, 1.0): (54.8652, 54.9966, 55.2699),
    (1, 805, -0.8, 0.5, 1.0): (34.6213, 34.7967, 34.8228),
    (2, 805, 0.02, -1.0, 0.5): (51.8308, 52.4825, 52.7163),
    (3, 200, 0.5, 0.0, 1.0): (57.1019, 56.9306, 56.9792),
}


def made_up(seed: int, n: int, effect: float, bias: float, gamed_bias: float) -> dict[str, Any]:
    """Return preferences that follow ability, length and difficulty, and those between long and short outputs."""
    random = np.random.default_rng(seed)
    difficulty = random.normal(0, 1, 805)
    held: list[tuple[float, float]] = []
    for sign in (1, -1):
        for _ in range(805):
            delta = sign * abs(random.normal(0.8, 0.3))
            held.append((1 / (1 + np.exp(-(-gamed_bias * np.tanh(delta) + random.normal(0, 0.7)))), delta))
    baseline, policy = random.integers(200, 3000, n), random.integers(200, 3000, n) + bias * 600
    policy = np.maximum(policy.astype(int), 1)
    delta = baseline - policy
    logits = (
        effect - 1.2 * np.tanh(delta / delta.std(ddof=1)) + 0.5 * difficulty[:n] + random.normal(0, 1.5, n)
    )
    preference, deltas = np.array(held).T
    return {
        "preferences": 1 / (1 + np.exp(-logits)),
        "baseline_lengths": baseline.astype(float),
        "policy_lengths": policy.astype(float),
        "numbers": np.arange(n),
        "gamed": Gamed(preference, deltas, np.tile(difficulty, 2), difficulty),
    }


@pytest.mark.parametrize("case", ALPACA_EVAL)
def test_it_is_what_alpaca_eval_computes(case: tuple[int, int, float, float, float]) -> None:
    data = made_up(*case)
    found = [100 * LengthController(**data, glm=glm).fit().win_rate for glm in GLMS]
    assert found == pytest.approx(ALPACA_EVAL[case], abs=0.01)


@pytest.mark.parametrize("strength", [1e-3, 0.05, 1.0, 100.0])
def test_the_fit_is_that_of_liblinear(strength: float) -> None:
    random = np.random.default_rng(0)
    x, p, w = random.normal(size=(120, 3)), random.random(120), random.random(120)
    both = LogisticRegression(
        l1_ratio=1, C=strength, solver="liblinear", fit_intercept=False, tol=1e-10, max_iter=10_000
    ).fit(np.concatenate([x, x]), [1] * 120 + [0] * 120, sample_weight=np.concatenate([p * w, (1 - p) * w]))
    assert fit_l1(x, p, w, strength) == pytest.approx(both.coef_[0], abs=1e-6)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([20, 100, 805]), st.sampled_from(list(STRENGTHS)))
def test_nothing_fits_better(seed: int, n: int, strength: float) -> None:
    """The subgradient of the objective, about C n in size, is 0 at the weights."""
    random = np.random.default_rng(seed)
    delta = random.lognormal(6.8, 0.8, n) - random.lognormal(6.8 + random.normal() * 0.3, 0.8, n)
    spread = random.choice([0.5, 1, 3])
    x = np.stack([np.tanh(delta / delta.std(ddof=1)), random.normal(size=n) * spread, np.ones(n)], 1)
    p = expit(2 * (random.normal() * x[:, 0] + random.normal(random.normal(), 1.5, n) + x[:, 1] / 2))
    weights = fit_l1(x, p, np.ones(n), strength)
    slope = strength * (x.T @ (expit(x @ weights) - p))
    used = np.abs(weights) > 1e-9
    off = np.where(used, np.abs(slope + np.sign(weights)), np.maximum(np.abs(slope) - 1, 0))
    assert (off / (1 + strength * n)).max() < 1e-6


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(30, 80))
def test_exchanging_policy_and_baseline_gives_the_complement(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    p, a, b = (
        random.random(n),
        random.integers(1, 900, n).astype(float),
        random.integers(1, 900, n).astype(float),
    )
    numbers = np.zeros(n, np.int64)
    one = LengthController(p, a, b, numbers, "length_controlled_minimal", None).fit(strength=10.0)
    other = LengthController(1 - p, b, a, numbers, "length_controlled_minimal", None).fit(strength=10.0)
    assert one.win_rate + other.win_rate == pytest.approx(1, abs=1e-5)


def test_with_equal_lengths_it_is_the_plain_win_rate() -> None:
    p = np.random.default_rng(0).beta(2, 1, 300)
    lengths = np.full(300, 500.0)
    data = LengthController(p, lengths, lengths, np.zeros(300, np.int64), "length_controlled_minimal", None)
    assert not data.controls
    assert data.fit(strength=1e4).win_rate == pytest.approx(p.mean(), abs=1e-4)


def test_a_preference_for_length_alone_gives_half() -> None:
    random = np.random.default_rng(1)
    policy = random.normal(600, 200, 400)
    baseline = np.full(400, 500.0)
    delta = baseline - policy
    p = 1 / (1 + np.exp(3 * np.tanh(delta / delta.std(ddof=1))))
    fitted = LengthController(p, baseline, policy, np.zeros(400, np.int64), GLMS[2], None).fit()
    assert p.mean() > 0.6
    assert fitted.win_rate == pytest.approx(0.5, abs=0.005)


def test_questions_that_count_twice_are_questions_that_come_twice() -> None:
    data = made_up(4, 60, 0.4, 0.5, 1.0)
    counts = np.random.default_rng(0).integers(0, 3, 60).astype(float)
    drawn = {
        name: np.repeat(value, counts.astype(int)) if name != "gamed" else value
        for name, value in data.items()
    }
    weighted = LengthController(**data, glm=GLMS[2])
    # The spread of the lengths stays that of all questions.
    spread = (data["baseline_lengths"] - data["policy_lengths"]).std(ddof=1)
    x = np.stack(
        [np.tanh((drawn["baseline_lengths"] - drawn["policy_lengths"]) / spread), np.ones(int(counts.sum()))],
        1,
    )
    direct = fit_l1(x, drawn["preferences"], np.ones(len(x)), 5.0)
    assert weighted.fit(counts, 5.0).weights == pytest.approx(direct, abs=1e-4)


def test_the_file_of_gamed_outputs(tmp_path: Path) -> None:
    file = tmp_path / "df_gamed.csv"
    file.write_text(
        "model,index,preference,std_delta_len,instruction_difficulty,not_gamed_baseline\n"
        "long,0,0.7,-1.0,0.5,False\nlong,2,,-0.5,1.5,False\nshort,0,0.2,1.0,0.5,False\n"
    )
    gamed = read_gamed(file)
    assert gamed.preference.tolist() == [0.7, 0.2]
    assert gamed.delta.tolist() == [-1.0, 1.0]
    assert gamed.difficulty.tolist() == pytest.approx([0.5, np.nan, 1.5], nan_ok=True)
    file.write_text("index,preference\n0,0.5\n")
    with pytest.raises(DataError, match=r"expected the columns index, preference, std_delta_len"):
        read_gamed(file)
    with pytest.raises(DataError, match=r"cannot be read"):
        read_gamed(tmp_path / "none.csv")
