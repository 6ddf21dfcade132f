"""A small measurement with a real trainer, gone on with where it was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardrouter.cli.speed import QUICK, as_text
from rewardrouter.config.loading import load_config
from rewardrouter.config.saved import read_saved
from rewardrouter.config.speed import SpeedConfig
from rewardrouter.efficiency.results import EfficiencyResults
from rewardrouter.efficiency.run import SpeedRun
from rewardrouter.errors import ConfigError, DataError

pytestmark = pytest.mark.slow

STRATEGIES = ("single/fastest", "majority", "laser", "router")
SMALL = (*QUICK, f"strategies=[{', '.join(STRATEGIES)}]", "measure.steps=1", "measure.warm_up=0")


def settings(*overrides: str) -> SpeedConfig:
    return load_config(SpeedConfig, None, [*SMALL, *overrides])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speed") / "run"


@pytest.fixture(scope="module")
def results(folder: Path) -> EfficiencyResults:
    return SpeedRun(settings(), folder).run()


def test_every_strategy_was_timed_in_every_pool(results: EfficiencyResults, folder: Path) -> None:
    assert read_saved(EfficiencyResults, folder / "results.json") == results
    assert [pool.size for pool in results.pools] == [2, 4]
    for pool in results.pools:
        assert tuple(pool.strategies) == STRATEGIES
        pairs = results.pairs_per_step
        single, majority = pool.strategies["single/fastest"], pool.strategies["majority"]
        assert (single.calls, single.asked) == (1, pairs)
        assert (majority.calls, majority.asked) == (pool.size, pool.size * pairs)
        assert single.shares == {"1 layer": 1.0} or single.shares == {"2 layers": 1.0}
        assert pool.strategies["laser"].calls == 1
        router = pool.strategies["router"]
        assert router.asked >= pairs  # ties are asked about again
        assert router.phases.keys() >= {"generate", "encode", "route", "judge", "update", "observe"}
        for one in pool.strategies.values():
            assert one.seconds > one.rm_seconds * 0.1 > 0
            assert one.predicted > 0
    assert results.scaling.keys() == set(STRATEGIES)
    assert len(results.overheads) == 2
    assert results.check is not None
    assert results.check.n == 8
    text = as_text(results)
    for name in STRATEGIES:
        assert name in text


def test_a_file_that_is_deleted_is_measured_again_and_nothing_else(
    results: EfficiencyResults, folder: Path
) -> None:
    files = {path: path.stat().st_mtime_ns for path in folder.glob("*-*.json")}
    assert len(files) == 4
    (folder / "steps-4-32.json").unlink()
    again = SpeedRun(settings(), folder).run()
    changed = {path.name for path, before in files.items() if path.stat().st_mtime_ns != before}
    assert changed == {"steps-4-32.json"}
    assert again.pools[0] == results.pools[0]


def test_another_measurement_is_refused(results: EfficiencyResults, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"prompts_per_step: the run in .* has 4, found 5"):
        SpeedRun(settings("prompts_per_step=5"), folder).run()


def test_a_broken_file_is_named(results: EfficiencyResults, folder: Path) -> None:
    broken = folder / "steps-2-32.json"
    before = broken.read_text(encoding="utf-8")
    broken.write_text("[{", encoding="utf-8")
    with pytest.raises(DataError, match=r"steps-2-32\.json: broken; delete it to measure it again"):
        SpeedRun(settings(), folder).run()
    broken.write_text(before, encoding="utf-8")
