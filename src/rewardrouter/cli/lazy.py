"""A click group that knows its commands by name and imports one only to run it.

A command's module imports light things at its top and torch, pandas and the like
inside its function. Help of the group reads the one-line texts given here, so
``rewardrouter --help`` imports click and nothing else.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

import click

from rewardrouter.errors import did_you_mean


@dataclasses.dataclass(frozen=True)
class LazyCommand:
    """Where a command is, ``"package.module:attribute"``, and what it does in one line."""

    target: str
    help: str

    def load(self) -> click.Command:
        """Import the command's module and return the command."""
        module, _, attribute = self.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target}: expected a click command, got {type(command).__name__}")
        return command


class LazyGroup(click.Group):
    """A group of :class:`LazyCommand`, listed in the order given."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names of the commands."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return the command of that name, ``None`` where there is none."""
        entry = self.lazy.get(cmd_name)
        return entry.load() if entry else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command to run, or say which one may be meant."""
        name = args[0]
        if name not in self.lazy and not ctx.resilient_parsing:
            hint = did_you_mean(name, self.lazy) or f" Commands: {', '.join(self.lazy)}."
            raise click.UsageError(f"unknown command {name}.{hint}", ctx)
        return super().resolve_command(ctx, args)
