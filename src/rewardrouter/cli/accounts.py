"""What the reward models that a command asked were asked, and what it cost, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rewardrouter.progress import log

if TYPE_CHECKING:
    from rewardrouter.reward_models.accounts import Account


def tell_accounts(accounts: Sequence[Account]) -> None:
    """Print a line for each RM that was asked anything, and why calls failed; nothing where none was."""
    asked = [account for account in accounts if account.pairs or account.cached]
    tell_failures(asked)
    if asked:
        click.echo("\n".join(table(asked)))


def tell_failures(accounts: Sequence[Account]) -> None:
    """Report why calls failed: a line for each RM of which any did."""
    for account in accounts:
        if account.failures:
            reasons = ", ".join(f"{reason} ({count:,})" for reason, count in account.failures.items())
            log(f"{account.rm}: {account.failed:,} of {account.pairs:,} pairs failed: {reasons}")


def table(accounts: Sequence[Account]) -> list[str]:
    """Return the lines of the table, its head first; cost only where some RM has a price."""
    width = max(len("reward model"), *(len(account.rm) for account in accounts))
    priced = any(account.cost is not None for account in accounts)
    head = f"{'reward model':<{width}}    calls     pairs    cached     ties   failed     seconds"
    lines = [head + ("        cost" if priced else "")]
    for account in accounts:
        line = (
            f"{account.rm:<{width}}  {account.calls:>7,}  {account.pairs:>8,}  {account.cached:>8,}"
            f"  {account.ties:>7,}  {account.failed:>7,}  {account.seconds:>10,.1f}"
        )
        spent = "-" if account.cost is None else f"{account.cost:,.2f}"
        lines.append(line + (f"  {spent:>10}" if priced else ""))
    return lines
