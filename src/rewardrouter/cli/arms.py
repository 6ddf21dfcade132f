"""``rewardrouter arms``: the reward models of a router, listed, added and removed without fitting it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import no_cache_option, router_option
from rewardrouter.cli.output import STDOUT, json_option, keep_inputs, write_json
from rewardrouter.errors import UserError
from rewardrouter.progress import log

if TYPE_CHECKING:
    from rewardrouter.calibration import HeldOut
    from rewardrouter.router import Arm, BayesianRouter

_FEW = 100
"""Held-out pairs that budgets should rest on."""
_out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="ROUTER",
    help="Folder of the changed router.  [default: the same one, replaced at once]",
)


@click.group("arms")
def arms() -> None:
    """List, add or remove the reward models of a router; nothing is fitted again.

    What the router says of the other reward models stays as it is, to the last
    digit. A gateway or a training that runs keeps the arms that it began with.
    """


@arms.command("list")
@router_option
@json_option
def list_arms(folder: Path, json_file: str | None) -> None:
    """Show the reward models of a router, and what was seen of each."""
    keep_inputs({"--json": json_file}, {"--router": folder})
    router = _load(folder, no_cache=True)
    if json_file is not None:
        write_json(json_file, {"arms": [arm.as_json() for arm in router.arm_records]})
    if json_file != STDOUT:
        click.echo(as_text(router.arm_records))


@arms.command("add")
@click.argument("name")
@router_option
@click.option(
    "--verdicts",
    metavar="V",
    help="Labelled pairs with verdicts of NAME, and best of the others too.  [default: none]",
)
@click.option(
    "--strength",
    type=click.FloatRange(min=0, min_open=True),
    metavar="PAIRS",
    help="How many pairs' worth the guess is, that it is like the others.  [default: 32]",
)
@_out_option
@no_cache_option
def add(
    name: str, folder: Path, verdicts: str | None, strength: float | None, out: Path | None, no_cache: bool
) -> None:
    """Add the reward model NAME.

    With a few labelled pairs that it has judged, it is learnt how good it is,
    which of the others it is good like, and what its verdicts are worth; most
    of pairs that are new to the router. Without, it is taken for the mean of
    the others: a guess that verdicts should soon replace.
    """
    _check_out(folder, out)

    from rewardrouter.datasets.verdict_tables import load_verdicts
    from rewardrouter.offline.joining import STRENGTH

    table = None
    if verdicts is not None:
        loaded = load_verdicts(verdicts)
        for line in loaded.report.lines():
            log(line)
        table = loaded.table
    router = _load(folder, no_cache=no_cache).with_arm(
        name, table, strength=STRENGTH if strength is None else strength
    )
    arm = router.arm_records[-1]
    _save(router, out or folder)
    click.echo(f"{name}: {arm.joined}" + ("" if arm.accuracy is None else f", right on {arm.accuracy:.3f}"))
    if arm.accuracy is None:
        click.echo(
            "It is trusted as much as the mean of the others. Labelled pairs with its verdicts would say more:"
            f" rewardrouter arms add {name} --verdicts V"
        )
    for line in budget_lines(router.held_out):
        log(line)
    click.echo(f"Router: {out or folder}  ({len(router.arms)} arms)")


@arms.command("remove")
@click.argument("name")
@router_option
@_out_option
def remove(name: str, folder: Path, out: Path | None) -> None:
    """Remove the reward model NAME."""
    _check_out(folder, out)
    router = _load(folder, no_cache=True).without_arm(name)
    _save(router, out or folder)
    for line in budget_lines(router.held_out):
        log(line)
    click.echo(f"Router: {out or folder}  ({', '.join(router.arms)})")


def as_text(records: tuple[Arm, ...]) -> str:
    """Return what ``arms list`` prints."""
    width = max(len("reward model"), *(len(arm.name) for arm in records))
    lines = [f"{'reward model':<{width}}  accuracy  verdicts    ties  failed"]
    for arm in records:
        accuracy = "-" if arm.accuracy is None else f"{arm.accuracy:.3f}"
        line = f"{arm.name:<{width}}  {accuracy:>8}  {arm.observed:>8,}  {arm.ties:>6,}  {arm.failed:>6,}"
        lines.append(line + (f"  {arm.joined}" if arm.joined else ""))
    return "\n".join(lines)


def budget_lines(held_out: HeldOut) -> list[str]:
    """Return what to tell where budgets of cascades rest on little: one line or none."""
    plannable, advice = held_out.plannable, "fit again, or add reward models with labelled pairs (--verdicts)"
    if not plannable.any():
        return [
            f"no held-out pair has a verdict of these reward models, so no budget can be planned: {advice}"
        ]
    n_rms, most = held_out.winners.shape[1], int(held_out.asked[plannable].sum(axis=1).max())
    if 2 * most < n_rms:
        return [
            f"of no held-out pair more than {most} of the {n_rms} reward models have verdicts, so budgets of cascades"
            f" are kept with much to spare, and labels may be worse: {advice}"
        ]
    if (n_pairs := int(plannable.sum())) < _FEW:
        return [f"budgets of cascades rest on {n_pairs} held-out pairs: {advice} for more"]
    return []


def _load(folder: Path, *, no_cache: bool) -> BayesianRouter:
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.router import BayesianRouter

    return BayesianRouter.from_pretrained(
        folder, cache=EmbeddingCache(None if no_cache else default_folder())
    )


def _check_out(folder: Path, out: Path | None) -> None:
    if out is not None and out.exists() and out.resolve() != folder.resolve():
        raise UserError(f"--out {out}: exists already; give another folder")


def _save(router: BayesianRouter, folder: Path) -> None:
    from rewardrouter.cli.output import make_folder

    make_folder("--out", folder.resolve().parent)
    router.save_pretrained(folder)
