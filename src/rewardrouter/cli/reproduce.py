"""``rewardrouter reproduce``: a table of the paper, or an ablation, at one of three scales."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.commands import run_command
from rewardrouter.cli.options import names_of
from rewardrouter.cli.output import make_folder, write_text
from rewardrouter.cli.overrides import check_overrides
from rewardrouter.errors import UserError

if TYPE_CHECKING:
    from rewardrouter.config.experiment import Scale
    from rewardrouter.experiments.material import Choices, Material

_SETTINGS = ("fit", "simulate", "train", "benchmark", "speed", "sandbox")
"""Commands, and the sandbox, whose settings can be given as ``--NAME.a.b=c``."""


@click.command("reproduce", context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="NAME")
@click.option(
    "--scale",
    type=click.Choice(["sandbox", "verdicts", "full"]),
    help="Where it is run.  [default: sandbox, or verdicts with --verdicts]",
)
@click.option("--verdicts", metavar="V", help="Labelled pairs with verdicts, of two or more domains.")
@click.option("--rms", metavar="a,b,c", help="The pool, of the verdicts.  [default: every RM]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of all experiments of a scale.  [default: reproduce-SCALE]",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), metavar="K", help="Seeds 0 to K - 1.  [default: its own]"
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: the command's]"
)
@click.option("--dry-run", is_flag=True, help="Say what would be run, and stop.")
@click.argument("overrides", nargs=-1, metavar="[--fit.a.b=c ...]")
def reproduce(
    name: str,
    scale: Scale | None,
    verdicts: str | None,
    rms: str | None,
    out: Path | None,
    seeds: int | None,
    workers: int | None,
    dry_run: bool,
    overrides: tuple[str, ...],
) -> None:
    """Run table1 to table7, figure2 or an ablation, and put it beside the paper's numbers.

    At the scale sandbox everything runs on models that are made on the spot,
    at verdicts on recorded verdicts of yours (one half fits, the other is
    measured), at full on the paper's models and data; --dry-run says what that
    takes. What is missing is run by the other commands, what is there is kept,
    and figures are computed from the run files: delete one and it is made
    again. Settings are given as --fit.a.b=c, --simulate.a.b=c, --train.a.b=c,
    --benchmark.a.b=c, --speed.a.b=c and --sandbox.a.b=c.
    """
    check_overrides(overrides)
    chosen: Scale = scale or ("sandbox" if verdicts is None else "verdicts")
    if (chosen == "verdicts") != (verdicts is not None):
        raise UserError("--verdicts: belongs to --scale verdicts, which needs it")
    if rms is not None and verdicts is None:
        raise UserError("--rms: chooses among the RMs of --verdicts; leave it out")
    given = _by_command(overrides)

    from rewardrouter.experiments.catalogue import FIGURE
    from rewardrouter.experiments.checking import check_settings
    from rewardrouter.experiments.experiment import Experiment, check_scale
    from rewardrouter.experiments.material import Choices

    check_settings(given, chosen)
    folder = (out or Path(f"reproduce-{chosen}")).resolve()  # a run goes on under the same paths alone
    if name == FIGURE:
        _figure(chosen, folder / name, given["speed"], dry_run)
        return
    check_scale(name, chosen)
    settings = {command: tuple(given[command]) for command in ("fit", "simulate", "train", "benchmark")}
    choices = Choices(folder, seeds, workers, **settings)
    experiment = Experiment(name, _material(chosen, choices, verdicts, rms, given["sandbox"]), choices)
    if dry_run:
        click.echo("\n".join(experiment.plan()))
        return
    make_folder("--out", folder)
    # What the commands print is not this one's result.
    with contextlib.redirect_stdout(sys.stderr):
        experiment.run(run_command)
    table = experiment.table()
    page = experiment.write(table)
    click.echo(table.text())
    click.echo(f"Table: {page}   Figures: {page.with_suffix('.json')}")


def _material(
    scale: Scale, choices: Choices, verdicts: str | None, rms: str | None, sandbox: Sequence[str]
) -> Material:
    from rewardrouter.config.loading import load_config
    from rewardrouter.config.sandbox import SandboxConfig
    from rewardrouter.experiments.catalogue import full_scale
    from rewardrouter.experiments.scales import paper_scale, sandbox_scale, verdict_scale

    if verdicts is not None:
        return verdict_scale(Path(verdicts).resolve(), names_of(rms))
    if scale == "full":
        return paper_scale(choices, full_scale())
    return sandbox_scale(choices, load_config(SandboxConfig, None, sandbox), choices.workers or 2)


def _figure(scale: Scale, run: Path, settings: Sequence[str], dry_run: bool) -> None:
    """Run ``speed``, which goes on where it stood, and put what it prints into a file too."""
    if scale == "verdicts":
        raise UserError("figure2: cannot be run at the scale verdicts, only at sandbox, full")
    from rewardrouter.config.loading import load_config
    from rewardrouter.config.speed import SpeedConfig
    from rewardrouter.efficiency.run import check_strategies
    from rewardrouter.experiments.catalogue import CLUSTER

    file = CLUSTER if scale == "full" else None
    check_strategies(load_config(SpeedConfig, file, settings))
    config = [] if file is None else ["--config", str(file)]
    words = ["speed", *config, "--out", str(run), *(f"--{one}" for one in settings)]
    if dry_run:
        click.echo(f"to do  rewardrouter {shlex.join(words)}")
        return
    make_folder("--out", run.parent)
    run_command(words)

    from rewardrouter.cli.speed import as_text
    from rewardrouter.config.saved import read_saved
    from rewardrouter.efficiency.results import EfficiencyResults

    text = as_text(read_saved(EfficiencyResults, run / "results.json"))
    page = f"# Figure 2: seconds of a training step\n\n```text\n{text}```\n"
    write_text("--out", run.with_suffix(".md"), page)


def _by_command(overrides: Sequence[str]) -> dict[str, list[str]]:
    """Return settings by the command that they are for, without its name."""
    given: dict[str, list[str]] = {name: [] for name in _SETTINGS}
    for word in overrides:
        command, _, setting = word.removeprefix("--").partition(".")
        if command not in given or "=" in command:
            raise UserError(
                f"{word}: of which command? Give --{' or --'.join(f'{name}.a.b=c' for name in _SETTINGS)}"
            )
        given[command].append(setting)
    return given
