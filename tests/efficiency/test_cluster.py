"""The cluster of examples/paper/figure2.yaml, and laws of any cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardrouter.config.loading import load_config
from rewardrouter.config.speed import SpeedConfig
from rewardrouter.efficiency.cluster import simulate_cluster
from rewardrouter.efficiency.results import SimulatedCluster
from rewardrouter.errors import ConfigError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "paper" / "figure2.yaml"


def simulated(*overrides: str) -> SimulatedCluster:
    config = load_config(SpeedConfig, EXAMPLE, overrides)
    assert config.cluster is not None
    return simulate_cluster(config, config.cluster)


def test_the_example_asks_the_papers_eight() -> None:
    found = simulated("pool_sizes=[4, 8]")
    small, whole = found.pools
    assert (small.size, small.devices, whole.size, whole.devices) == (4, 1, 8, 4)
    for pool in found.pools:
        steps = pool.strategies
        assert steps["majority"].calls == pool.size
        assert steps["majority"].rm_seconds > steps["router"].rm_seconds > steps["single/fastest"].rm_seconds
        assert steps["single/fastest"].seconds < steps["router"].seconds < steps["majority"].seconds
        assert steps["single/fastest"].ratio == 1.0
        assert steps["single/fastest"].overhead == 0.0 < steps["laser"].overhead < steps["router"].overhead


def test_repeats_cost_wall_clock_only_where_they_share_devices() -> None:
    own = simulated("pool_sizes=[8, 16]", "strategies=[majority]")
    same = simulated("pool_sizes=[8, 16]", "strategies=[majority]", "cluster.repeats_on=same devices")
    eight, sixteen = (pool.strategies["majority"].judge for pool in own.pools)
    assert sixteen == pytest.approx(eight, rel=1e-3)
    eight, sixteen = (pool.strategies["majority"].judge for pool in same.pools)
    assert sixteen == pytest.approx(2 * eight, rel=1e-3)
    assert [pool.devices for pool in own.pools] == [4, 8]


def test_a_single_that_a_pool_lacks() -> None:
    with pytest.raises(ConfigError, match=r"strategy single/nobody: a pool of 4 holds Skywork-Reward"):
        simulated("strategies=[single/nobody]", "pool_sizes=[4]")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("cluster.devices=[{name: gpu0}]", "no device gpu3; there are gpu0"),
        ("cluster.rms.0.per_token=0", None),
        ("cluster.rms=[{name: a, device: gpu3}]", "takes no time; give base, per_token or per_pair"),
        ("cluster=null", "all are null, so there is nothing to do"),
        ("pool_sizes=[1]", "a router chooses among two"),
        ("strategies=[router, router]", "names one twice"),
    ],
)
def test_what_does_not_fit_is_said(override: str, says: str | None) -> None:
    if says is None:
        simulated(override, "pool_sizes=[4]", "strategies=[majority]")
        return
    with pytest.raises(ConfigError, match=says):
        simulated(override)
