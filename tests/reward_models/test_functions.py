"""Functions by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rewardrouter.errors import ConfigError
from rewardrouter.reward_models.functions import load_function, source_file


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "found_here", raising=False)
    file = tmp_path / "found_here.py"
    file.write_text("NUMBER = 3\ndef double(x):\n    return 2 * x\n")
    return file


def test_a_function_of_the_working_folder_is_found(module: Path) -> None:
    path = list(sys.path)
    assert load_function("found_here:double", "check")(4) == 8
    assert sys.path == path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere:double", "verifier: nowhere:double cannot be imported: No module named 'nowhere'"),
        ("found_here:triple", "verifier: found_here:triple cannot be imported: .* no attribute 'triple'"),
        ("found_here:NUMBER", "verifier: found_here:NUMBER is no function"),
    ],
)
def test_what_is_none_is_the_users_mistake(module: Path, name: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"^{expected}$"):
        load_function(name, "verifier")


def test_so_is_a_module_that_raises(module: Path) -> None:
    module.write_text("raise OSError('no\\ndisk')\n")
    with pytest.raises(ConfigError, match=r"^check: found_here:double cannot be imported: no disk$"):
        load_function("found_here:double", "check")


def test_the_file_of_a_module_is_found_without_importing_it(module: Path) -> None:
    assert source_file("found_here:double").samefile(module)
    assert "found_here" not in sys.modules
    assert source_file("nowhere:double") is None
    assert source_file("nowhere.below:double") is None
    assert source_file("sys:exit") is None
