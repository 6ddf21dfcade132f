"""The calibration slope, and what it proves or refutes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from rewardrouter.errors import CheckpointError
from rewardrouter.online.slope import FIRST_LOOK, LOOKS, SlopeWatch, calibration_slope
from rewardrouter.state import State


def claims(rng, pairs, slope, rms=4):
    """Log odds claimed and outcomes, ``[pairs, rms]``, where the truth is ``slope`` times the claim."""
    log_odds = rng.normal(1.0, 1.0, (pairs, rms))
    return log_odds, (rng.random((pairs, rms)) < expit(slope * log_odds)).astype(float)


def slope_of(log_odds, right):
    pairs, rms = log_odds.shape
    return calibration_slope(log_odds.ravel(), right.ravel(), np.repeat(np.arange(pairs), rms))


@pytest.mark.parametrize(("slope", "proven"), [(1.0, True), (0.45, False), (0.0, False), (2.0, True)])
def test_the_slope_is_found_and_proven_where_it_is_high_enough(slope, proven):
    found = slope_of(*claims(np.random.default_rng(0), 500, slope))
    assert abs(found.value - slope) < 4 * found.error + 0.02
    assert found.proven is proven
    assert found.pairs == 500


def test_what_repeats_within_a_pair_is_one_witness():
    log_odds, right = claims(np.random.default_rng(1), 400, 1.0, rms=1)
    once, again = slope_of(log_odds, right), slope_of(np.repeat(log_odds, 5, 1), np.repeat(right, 5, 1))
    assert again.value == pytest.approx(once.value, abs=0.02)
    assert again.error == pytest.approx(once.error, rel=0.1)


def test_pairs_of_one_problem_that_share_their_luck_seldom_prove_what_is_not_so():
    """The slope is what it may not be, .5, on 150 problems of nine pairs, most of them right or wrong together."""
    rng, proofs = np.random.default_rng(3), {"pair": 0, "group": 0}
    groups = np.repeat(np.arange(150), 36)
    for _ in range(60):
        log_odds = rng.normal(1.2, 1.2, (150, 4)).repeat(9, axis=0)
        luck = np.where(
            rng.random((1350, 4)) < 0.8, rng.random((150, 4)).repeat(9, axis=0), rng.random((1350, 4))
        )
        right = (luck < expit(0.5 * log_odds)).astype(float)
        given = (log_odds.ravel(), right.ravel(), np.repeat(np.arange(1350), 4))
        proofs["pair"] += calibration_slope(*given).proven
        proofs["group"] += calibration_slope(*given, groups).proven
    assert proofs["pair"] > 9
    assert proofs["group"] <= 7  # 3 are expected


def test_its_error_is_the_spread_over_repetitions():
    rng = np.random.default_rng(2)
    found = [slope_of(*claims(rng, 200, 1.0)) for _ in range(200)]
    assert np.mean([one.error for one in found]) == pytest.approx(
        np.std([one.value for one in found]), rel=0.15
    )


def test_nothing_proves_nothing():
    nothing = calibration_slope(np.empty(0), np.empty(0), np.empty(0, np.int64))
    assert not nothing.proven
    assert not nothing.refuted


def watched(rng, pairs, slope):
    watch, fired = SlopeWatch(), False
    for log_odds, right in zip(*claims(rng, pairs, slope), strict=True):
        watch.add(log_odds, right)
        fired |= watch.refuted
    return watch, fired


def test_calibrated_margins_are_seldom_refuted_and_overconfident_ones_soon():
    rng = np.random.default_rng(3)
    assert sum(watched(rng, 128, 1.0)[1] for _ in range(100)) <= 10
    assert sum(watched(rng, 128, 0.0)[1] for _ in range(20)) == 20


def test_it_looks_at_every_doubling():
    watch, _ = watched(np.random.default_rng(4), 2 * FIRST_LOOK - 1, 1.0)
    assert watch.slope.pairs == FIRST_LOOK
    watch.add(np.ones(2), np.ones(2))
    assert watch.slope.pairs == 2 * FIRST_LOOK
    assert LOOKS > 1


def test_a_watch_goes_on_where_its_state_was_taken():
    rng = np.random.default_rng(5)
    one, _ = watched(rng, 20, 0.5)
    other = SlopeWatch()
    other.load_state_dict(one.state_dict())
    for log_odds, right in zip(*claims(rng, 20, 0.5), strict=True):
        for watch in (one, other):
            watch.add(log_odds, right)
    assert one.slope == other.slope
    assert one.slope.pairs == 32
    saved = one.state_dict()
    with pytest.raises(CheckpointError, match="do not belong together"):
        other.load_state_dict(State(saved.arrays, {**saved.metadata, "looks": 0}))
