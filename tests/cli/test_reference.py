"""docs/cli.md is what the commands say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardrouter.cli.main import COMMANDS
from rewardrouter.cli.reference import reference

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_page_in_docs_is_up_to_date() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m rewardrouter.cli.reference > docs/cli.md"


def test_the_page_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = reference()
    monkeypatch.setenv("COLUMNS", "40")
    assert reference() == wide


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section(name: str) -> None:
    assert f"\n## rewardrouter {name}\n" in reference()
