"""Looking for a policy without reading its weights."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import errors

from rewardrouter.cli.policy_check import check_policy
from rewardrouter.errors import CheckpointError


def hub(monkeypatch: pytest.MonkeyPatch, *names: str, raised: Exception | None = None) -> None:
    """Let the hub answer with these files, or not at all."""

    def model_info(self: object, source: str, *, revision: str | None, timeout: float) -> SimpleNamespace:
        if raised is not None:
            raise raised
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)


def test_a_folder(tiny_llama: Path, tmp_path: Path) -> None:
    assert check_policy(str(tiny_llama)) == f"policy {tiny_llama} is there"
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        check_policy(str(tmp_path))
    with pytest.raises(CheckpointError, match=r"none: no such folder"):
        check_policy(str(tmp_path / "none"))


def test_an_adapter_and_its_base(tiny_llama: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter_config.json"
    adapter.write_text(json.dumps({"base_model_name_or_path": str(tiny_llama)}), encoding="utf-8")
    assert check_policy(str(tmp_path)).endswith(f"its base: policy {tiny_llama} is there")
    adapter.write_text(json.dumps({"base_model_name_or_path": str(tmp_path / "gone")}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"gone: no such folder"):
        check_policy(str(tmp_path))
    adapter.write_text("[]", encoding="utf-8")
    with pytest.raises(CheckpointError, match="names no base model"):
        check_policy(str(tmp_path))


def test_one_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, "config.json", "model.safetensors")
    assert check_policy("owner/name") == "policy owner/name is on the hub"
    hub(monkeypatch, "README.md")
    with pytest.raises(CheckpointError, match=r"has no config\.json on the hub"):
        check_policy("owner/name")
    hub(monkeypatch, raised=errors.HFValidationError("no such form"))
    with pytest.raises(CheckpointError, match=r"not on the hub \(no such form\)"):
        check_policy("owner/name")


def test_without_a_network_it_says_that_it_could_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, raised=OSError("no network"))
    assert check_policy("owner/name").endswith("on the hub could not be checked (no network)")
