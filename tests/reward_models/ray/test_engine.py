"""Pools with ``engine: ray``: the same verdicts and identities as in this process, and keys that nobody sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_tables import written_pairs

from rewardrouter.errors import ConfigError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.loading import load_pool
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.reward_models.ray.cluster import Cluster
from rewardrouter.reward_models.ray.model import RayRewardModel
from rewardrouter.reward_models.verdict_cache import VerdictCache
from rewardrouter.testing.loopback import serving

PAIRS = [
    PreferencePair(pair.id, pair.prompt, pair.response_a, pair.response_b, {"answer": pair.response_a})
    for pair in written_pairs(30, seed=0)[0]
]
KEY = "sk-unheard-of-0123456789"


def write(folder: Path, engine: str, rms: str) -> Path:
    path = folder / f"{engine}.yaml"
    path.write_text(f"engine: {engine}\nrms:\n{rms}", encoding="utf-8")
    return path


@pytest.fixture
def rms(
    tmp_path: Path, tiny_reward_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """One entry of each sort: a checkpoint, a recording, a function, and a judge that asks for a key."""
    monkeypatch.setenv("JUDGE_KEY", KEY)
    rows = [
        {"id": p.id, "prompt": p.prompt, "response_a": p.response_a, "response_b": p.response_b}
        for p in PAIRS
    ]
    pd.DataFrame(rows).assign(verdict__old="A").to_parquet(tmp_path / "old.parquet")
    (tmp_path / "qwen3").symlink_to(tiny_reward_model("qwen3"))
    with serving(
        lambda _: {"choices": [{"message": {"content": "[[A]]"}, "finish_reason": "stop"}]}
    ) as server:
        yield (
            "  - {name: live, kind: hf, source: qwen3, ray: {replicas: 2, cpus: 0.5, gpus: 0.5, batch: 7}}\n"
            "  - {name: old, kind: recorded, source: old.parquet}\n"
            "  - {name: even, kind: verifier, check: 'verifiers:even', workers: 1, ray: {cpus: 0}}\n"
            f"  - {{name: judge, kind: judge, url: '{server.url}', model: m, template: mt-bench-pair,"
            " key_env: JUDGE_KEY, ray: {cpus: 0}}\n"
        )
        assert {request.headers["Authorization"] for request in server.seen} == {f"Bearer {KEY}"}


def test_both_engines_give_the_same(cluster: Cluster, tmp_path: Path, rms: str) -> None:
    with load_pool(write(tmp_path, "local", rms)) as local, load_pool(write(tmp_path, "ray", rms)) as pool:
        on_ray = [rm.name for rm in pool.models if isinstance(rm, RayRewardModel)]
        assert (pool.names, on_ray) == (local.names, ["live", "even", "judge"])
        assert pool.live == local.live
        for rm in local.names:
            here, there = local.judge(rm, PAIRS), pool.judge(rm, PAIRS)
            assert dict(pool.identity(rm)) == dict(local.identity(rm))
            assert [(v.rm, v.winner, v.error) for v in there] == [(v.rm, v.winner, v.error) for v in here]
            scores = [[np.nan if v.score_a is None else v.score_a for v in found] for found in (here, there)]
            np.testing.assert_allclose(*scores, atol=1e-4)
        # What one has kept, the other finds.
        cache = VerdictCache(tmp_path / "cache")
        local, pool = (RewardModelPool(one.models, cache=cache) for one in (local, pool))
        for one in (local, pool):
            one.judge_each(dict.fromkeys(one.names, PAIRS))
        assert {rm: account.cached for rm, account in local.accounts().items()} == dict.fromkeys(
            local.names, 0
        )
        assert {rm for rm, account in pool.accounts().items() if account.cached} == {"live", "judge"}
        files = [file for file in _session_folder().rglob("*") if file.is_file()]
        assert any(file.suffix == ".log" for file in files)
        assert not [file for file in files if KEY.encode() in file.read_bytes()]


def _session_folder() -> Path:
    import ray

    return Path(ray._private.worker._global_node.get_session_dir_path())


def test_the_plan_is_told_before_anything_is_begun(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rms = "  - {name: right, kind: verifier, check: exact, ray: {cpus: 0.25}}\n"
    with load_pool(write(tmp_path, "ray", rms)):
        told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("Ray: joins one that runs; ")
    assert told[1:] == [
        "  reward model  kind       replicas  CPUs each  GPUs each  on",
        "  right         verifier          1       0.25          0  this machine",
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            "kind: verifier, check: 'nowhere:at_all'",
            r"ray\.yaml: .*nowhere:at_all cannot be imported",
        ),
        ("kind: hf, source: x, device: 'cuda:1'", "which GPU it gets is Ray's to say"),
        (
            "kind: hf, source: x, device: cuda, ray: {gpus: 0}",
            "device cuda, but it is given no GPU",
        ),
        ("kind: verifier, check: exact, ray: {cpus: 64}", "no room for reward model rm"),
        (
            "kind: judge, url: 'http://h', model: m, key_env: NO_SUCH_KEY",
            "NO_SUCH_KEY .*is not set",
        ),
    ],
)
def test_a_pool_that_cannot_be_is_told_in_one_line(
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entry: str,
    expected: str,
) -> None:
    monkeypatch.setattr("rewardrouter.reward_models.ray.engine._SETTLING", 0.5)
    with pytest.raises(ConfigError, match=expected) as told:
        load_pool(write(tmp_path, "ray", f"  - {{name: rm, {entry}}}\n"))
    assert "\n" not in str(told.value)
