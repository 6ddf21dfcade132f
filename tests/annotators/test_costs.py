"""What calls cost: seconds are only of calls that are made."""

from __future__ import annotations

import pytest
from calibrated import KnownPairs, table_of
from conforming import Scores
from held_out_rows import held_out_of

from rewardrouter.annotators.cascade import CascadeAnnotator
from rewardrouter.annotators.cost_aware import CostAwareAnnotator
from rewardrouter.annotators.costs import costs_of
from rewardrouter.config.cascade import CascadeSettings, CostSettings
from rewardrouter.errors import ConfigError
from rewardrouter.reward_models import RewardModelPool, recorded_pool
from rewardrouter.reward_models.verdict_cache import VerdictCache
from rewardrouter.testing import sample_pairs

KNOWN = held_out_of(50, 3, 7)
TABLE = table_of(KNOWN)
ROUTER = KnownPairs(TABLE.rms, held_out_of(60, 3), KNOWN)


class Kept(Scores):
    """One whose verdicts a cache keeps."""

    identity = {"kind": "kept"}  # noqa: RUF012 - nothing writes to it


@pytest.mark.parametrize(
    "annotator",
    [
        CascadeAnnotator(recorded_pool(TABLE), ROUTER, CascadeSettings(budget=1.0, unit="second")),
        CostAwareAnnotator(recorded_pool(TABLE), ROUTER, CostSettings(budget=1.0, unit="second")),
    ],
)
def test_recorded_verdicts_are_refused_before_anything_is_begun(annotator) -> None:
    assert annotator.measures
    with pytest.raises(ConfigError, match=r"the verdicts of rm0, rm1, rm2 are recorded, .*unit=call"):
        annotator.prepare()


def test_one_recording_among_those_that_run_is_named() -> None:
    pool = RewardModelPool([Scores("live"), *recorded_pool(TABLE).models[:1]])
    with pytest.raises(ConfigError, match="the verdicts of rm0 are recorded"):
        costs_of(pool, "second", sample_pairs())


def test_where_the_cache_answered_it_says_what_to_do(tmp_path) -> None:
    pairs, cache = sample_pairs(), VerdictCache(tmp_path)
    assert costs_of(RewardModelPool([Kept("rm")], cache=cache), "second", pairs).values > 0
    with pytest.raises(ConfigError, match=r"rm has none; .* leave `cache` out of the pool file"):
        costs_of(RewardModelPool([Kept("rm")], cache=cache), "second", pairs)
