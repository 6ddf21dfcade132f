"""examples/quickstart.py makes the same small set every time, and its reward models are ones."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.testing import check_reward_model

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "quickstart.py"
FILES = ("verdicts.parquet", "held_out.parquet", "new_pairs.jsonl", "new_verdicts.parquet", "pool.yaml")
HOME = {"calculator": "arithmetic", "courtesy": "manners", "brevity": "answers"}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quickstart", SCRIPT)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["quickstart"] = module  # where its dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("one") / "quickstart")


def made(folder: Path, *words: str) -> Path:
    subprocess.run([sys.executable, SCRIPT, folder, *words], check=True, capture_output=True)
    return folder


def test_it_makes_the_same_set_every_time(folder: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    again, other = made(tmp_path / "again"), made(tmp_path / "other", "--seed", "1")
    for file in FILES:
        assert (again / file).read_bytes() == (folder / file).read_bytes()
    assert (other / "verdicts.parquet").read_bytes() != (folder / "verdicts.parquet").read_bytes()


def test_the_sets_share_no_problem(folder: Path) -> None:
    groups, prompts = [], []
    for file, size in (("verdicts", 240), ("held_out", 120), ("new_verdicts", 60)):
        table = pd.read_parquet(folder / f"{file}.parquet")
        assert table["domain"].value_counts().to_dict() == dict.fromkeys(HOME.values(), size // 3)
        groups.append(set(table["group"]))
        prompts.append(set(table["prompt"]))
    for sets in (groups, prompts):
        assert len(set.union(*sets)) == sum(len(one) for one in sets)


def test_the_label_is_not_in_the_position(folder: Path) -> None:
    share = (pd.read_parquet(folder / "verdicts.parquet")["label"] == "A").mean()
    assert 0.4 < share < 0.6


def test_new_pairs_carry_no_label(folder: Path) -> None:
    rows = [
        json.loads(line) for line in (folder / "new_pairs.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert {key for row in rows for key in row} == {
        "id", "prompt", "response_a", "response_b", "domain", "group",
    }  # fmt: skip
    assert "label" not in pd.read_parquet(folder / "new_verdicts.parquet").columns


@pytest.mark.parametrize("name", [*HOME, "echo"])
def test_its_reward_models_keep_the_contract(name: str, script: ModuleType) -> None:
    (model,) = (model for model in script.REWARD_MODELS if model.name == name)
    check_reward_model(model)


def test_verdicts_are_what_the_reward_models_say(script: ModuleType, folder: Path) -> None:
    table = load_verdicts(folder / "held_out.parquet").table
    for model in script.REWARD_MODELS:
        for row, verdict in enumerate(model.judge(table.pairs)):
            assert verdict == table.verdict(row, model.name)


def test_each_reward_model_is_good_at_its_kind_and_at_no_other(folder: Path) -> None:
    for file in ("verdicts", "held_out"):
        coverage = load_verdicts(folder / f"{file}.parquet").coverage
        for domain in coverage.domains:
            for rm, home in HOME.items():
                accuracy = domain.accuracy[rm]
                assert accuracy is not None
                assert (accuracy > 0.8) == (domain.domain == home), f"{rm} on {domain.domain}: {accuracy:.2f}"
