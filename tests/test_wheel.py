"""The wheel, as a stranger gets it.

It is built from this checkout and installed without its dependencies into an empty environment that
holds only click besides: all that ``rewardrouter --help`` may need. That is stricter than a full
installation (an import of anything else fails), needs no network, and takes seconds, not gigabytes.
That the declared dependencies can be installed together, ``make setup`` shows.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

import pytest

from rewardrouter import __version__

REPOSITORY = Path(__file__).resolve().parents[1]
HELP_SECONDS = 0.5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the layout of an environment is POSIX here"),
]


def run(*words: str | Path, **options: str | dict[str, str]) -> str:
    process = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    assert process.returncode == 0, f"{words}\n{process.stdout}\n{process.stderr}"
    return process.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, REPOSITORY)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment's folder of commands."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    commands = folder / "bin"
    pip = [sys.executable, "-m", "pip", "--python", commands / "python"]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    click = importlib.metadata.distribution("click")
    for file in click.files or ():
        target = packages / file
        if file.suffix != ".pyc" and packages in target.resolve().parents:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(click.locate_file(file), target)
    return commands


def clean_environ(tmp_path: Path) -> dict[str, str]:
    """Return variables without PYTHONPATH and the like, that would let this checkout in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "HOME": str(tmp_path)}


def test_it_holds_the_package_its_licence_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    about = f"rewardrouter-{__version__}.dist-info"
    assert {Path(name).parts[0] for name in names} == {"rewardrouter", about}
    assert {"rewardrouter/py.typed", f"{about}/licenses/LICENSE"} <= set(names)
    assert not [name for name in names if "test_" in name or "/tests/" in name]
    files = [path for path in (REPOSITORY / "src").glob("rewardrouter/**/*") if path.is_file()]
    sources = {str(path.relative_to(REPOSITORY / "src")) for path in files if path.suffix != ".pyc"}
    assert sources <= set(names)


def test_its_version_is_the_module_s(wheel: Path) -> None:
    assert wheel.name.startswith(f"rewardrouter-{__version__}-py3-none-")


def test_help_takes_less_than_half_a_second(environment: Path, tmp_path: Path) -> None:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        shown = run(environment / "rewardrouter", "--help", cwd=str(tmp_path), env=clean_environ(tmp_path))
        seconds.append(time.perf_counter() - start)
    assert "Usage: rewardrouter" in shown
    assert min(seconds) < HELP_SECONDS, f"best of 5: {min(seconds):.2f} s"


def test_env_reports_what_is_missing_there(environment: Path, tmp_path: Path) -> None:
    found = json.loads(
        run(
            environment / "rewardrouter", "env", "--json", "-", cwd=str(tmp_path), env=clean_environ(tmp_path)
        )
    )
    assert found["rewardrouter"] == __version__
    assert found["packages"]["click"] == importlib.metadata.version("click")
    assert found["packages"]["torch"] is None
    assert found["cache"] is None
    assert "torch cannot be imported" in found["compute"]["error"]
