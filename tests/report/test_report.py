"""From folders to the page, and what the package needs for it."""

from __future__ import annotations

import importlib.resources
import importlib.util
from pathlib import Path

import pytest
from html_tables import Page
from replay_results import replay_results
from training_results import training_results

from rewardrouter.errors import DataError, MissingDependencyError
from rewardrouter.report import PACKAGES, report


def a_run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    replay_results(("router", "single/rm"), rms=["rm"]).write(folder / "results.json")
    return folder


def heads(folders: list[Path]) -> list[str]:
    return [row[0].text for row in Page(report(folders)).table("Accuracy of the reference").rows]


def test_runs_are_named_by_their_folders(tmp_path: Path) -> None:
    assert heads([a_run(tmp_path / "x" / "one"), a_run(tmp_path / "x" / "two")]) == ["one", "two"]


def test_or_by_their_paths_where_folders_share_a_name(tmp_path: Path) -> None:
    folders = [a_run(tmp_path / "x" / "run"), a_run(tmp_path / "y" / "run")]
    assert heads(folders) == [str(folder) for folder in folders]


def test_runs_of_both_kinds_stand_on_one_page_in_their_order(tmp_path: Path) -> None:
    trained = tmp_path / "trained"
    trained.mkdir()
    training_results(("router",), windows=2).write(trained / "results.json")
    page = Page(report([trained, a_run(tmp_path / "replayed")]))
    assert page.text.index("labelled by router, the policy answers") < page.text.index("human’s label on")


def test_a_run_that_is_given_twice_is_reported_once(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    assert report([folder, folder / ".." / "run"]) == report([folder])


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no results\.json"):
        report([tmp_path])


@pytest.mark.parametrize("package", PACKAGES)
def test_a_missing_package_is_named_with_its_command(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else real(name))
    with pytest.raises(MissingDependencyError, match=rf"{package}: pip install 'rewardrouter\[report\]'"):
        report([tmp_path])


@pytest.mark.parametrize("name", ["page.html", "parts.html", "replay.html", "training.html", "page.css"])
def test_the_template_is_part_of_the_package(name: str) -> None:
    assert (importlib.resources.files("rewardrouter.report") / "templates" / name).is_file()
