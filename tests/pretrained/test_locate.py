"""Finding checkpoints, whatever they are for (encoders: ``tests/offline/test_locate.py``)."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from rewardrouter.errors import CheckpointError
from rewardrouter.pretrained.locate import Wanted, locate_checkpoint, locate_on_hub


def test_a_relative_folder_is_looked_for_where_it_is_said(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "models" / "bert")
    found = locate_checkpoint(Wanted("it", "models/bert", tmp_path))
    assert found.folder == tmp_path / "models" / "bert"
    assert found.identity == locate_checkpoint(Wanted("it", str(tiny_bert), tmp_path)).identity


def test_the_hub_is_asked_for_what_is_no_folder_there(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_bert, tmp_path / "org" / "bert")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tiny_bert))
    assert locate_checkpoint(Wanted("it", "org/bert")).folder == Path("org/bert")
    for found in (
        locate_checkpoint(Wanted("it", "org/bert", tmp_path / "elsewhere")),
        locate_on_hub(Wanted("it", "org/bert")),
    ):
        assert found.folder == tiny_bert
        assert found.identity == f"org/bert@{tiny_bert.name}"


def test_messages_speak_of_it_as_they_are_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(CheckpointError) as error:
        locate_checkpoint(Wanted("model x", "org/x", revision="v1", hint=" Give another"))
    assert str(error.value) == (
        "model x: no such folder, and org/x at v1 could not be had from the hub (offline). Give another"
    )
    with pytest.raises(CheckpointError, match=r"^model x: no such folder\. Give another$"):
        locate_checkpoint(Wanted("model x", "/nowhere/x", hint=" Give another"))
