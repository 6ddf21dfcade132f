"""Commands found by name."""

from __future__ import annotations

import click
import pytest

from rewardrouter.cli.lazy import LazyCommand
from rewardrouter.cli.main import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_entry_leads_to_a_command_of_that_name(name: str) -> None:
    command = COMMANDS[name].load()
    assert isinstance(command, click.Command)
    assert command.name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_one_line_texts_fit_one_line_and_end_in_a_full_stop(name: str) -> None:
    text = COMMANDS[name].help
    assert len(text) <= 70
    assert text.endswith(".")


def test_a_target_that_is_no_command_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a click command, got function"):
        LazyCommand("rewardrouter.errors:did_you_mean", "No command.").load()
