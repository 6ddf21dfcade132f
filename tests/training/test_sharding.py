"""Policies that do not fit one device: FSDP and DeepSpeed as settings of ``arguments``."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from tiny_online import ByHash, apart, arguments, rows, tiny_run
from two_shards import FSDP, JOBS, trained

from rewardrouter.errors import ConfigError
from rewardrouter.training.arguments import check_arguments

SCRIPT = Path(__file__).resolve().parents[1] / "support" / "two_shards.py"


@pytest.fixture(scope="module")
def sharded(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ended = subprocess.run(
        [*launch, SCRIPT, tiny_llama, folder],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_a_policy_in_two_shards_is_trained_as_a_whole_one(
    name: str, sharded: Path, tiny_llama: Path, tmp_path: Path
) -> None:
    """Responses, embeddings, losses and update; ``full`` was gone on with from its second step."""
    trained(name, tiny_llama, tmp_path)
    mine, others = rows(sharded / name / "decisions.jsonl"), rows(tmp_path / name / "decisions.jsonl")
    assert len(mine) == len(others) > 0
    assert max(abs(row["margin"]) for row in mine) > 1e-2
    for one, other in zip(mine, others, strict=True):
        for number in ("loss", "swapped_loss", "margin"):
            assert one.pop(number) == pytest.approx(other.pop(number), abs=1e-5)
        assert one.pop("bandit_reward") == pytest.approx(other.pop("bandit_reward"), abs=1e-4)
        assert one == other
    (file,) = (file.name for file in (tmp_path / name / "policy").glob("*.safetensors"))
    weights = [load_file(folder / name / "policy" / file) for folder in (sharded, tmp_path)]
    assert apart(*weights) < 1e-5


def test_fsdp_settings_are_taken(tmp_path: Path) -> None:
    args = arguments(tmp_path, **FSDP)
    assert args.fsdp_plugin_args["fsdp_version"] == 2
    assert args.fsdp_plugin_args["transformer_cls_names_to_wrap"] == "LlamaDecoderLayer"
    assert check_arguments(args) == "sigmoid"


def test_a_single_process_has_nothing_to_share_out(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Using fsdp only works in distributed training"):
        tiny_run(tiny_llama, tmp_path, ByHash(), **FSDP)


def test_the_old_fsdp_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="version: found 1, which PyTorch and transformers give up"):
        check_arguments(arguments(tmp_path, fsdp="full_shard", fsdp_config={"version": 1}))


ZERO: dict[str, Any] = {
    "zero_optimization": {"stage": 2},
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
}


@pytest.mark.skipif(find_spec("deepspeed") is not None, reason="DeepSpeed is installed")
def test_deepspeed_settings_are_read_and_its_absence_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="deepspeed"):
        arguments(tmp_path, deepspeed=ZERO)
