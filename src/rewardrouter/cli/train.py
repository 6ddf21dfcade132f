"""``rewardrouter train``: online DPO with routed labels."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import config_option
from rewardrouter.cli.output import signed
from rewardrouter.cli.overrides import check_overrides
from rewardrouter.errors import MissingDependencyError, OutageError, UserError
from rewardrouter.progress import progress

if TYPE_CHECKING:
    from rewardrouter.config.train import TrainConfig
    from rewardrouter.training.results import Measured, TrainingResults


@click.command("train", context_settings={"ignore_unknown_options": True})
@config_option("Settings (YAML), such as examples/sandbox.yaml.")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="Folder of the run.")
@click.option(
    "--resume", type=click.Path(path_type=Path, file_okay=False), metavar="RUN", help="Go on with a run."
)
@click.option("--strategies", metavar="LIST", help="Train once under each; differences are to the first.")
@click.option("--seeds", type=click.IntRange(min=1), metavar="K", help="Train once with each, 0 to K - 1.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes for several runs.  [default: one per CPU core, one on a GPU]",
)
@click.option("--dry-run", is_flag=True, help="Load everything, say what would be done, and stop.")
@click.argument("overrides", nargs=-1, metavar="[--a.b=c ...]")
def train(
    config_file: Path | None,
    out: Path | None,
    resume: Path | None,
    strategies: str | None,
    seeds: int | None,
    workers: int | None,
    dry_run: bool,
    overrides: tuple[str, ...],
) -> None:
    """Train a policy on its own responses, every pair labelled by the RM that is chosen for it.

    Any setting can be given as --a.b=c, for example --policy.beta=0.1 or
    --annotator.strategy=laser. With --strategies or --seeds the same training
    is run under each, and they are compared. Killed on the way, --resume RUN
    goes on where it stood, to the same result; a comparison goes on when the
    same command is given again. Under accelerate launch all processes train
    one policy.
    """
    check_overrides(overrides)
    _check_packages()
    config, folder = _settings(config_file, out, resume, overrides, dry_run=dry_run)
    several = strategies is not None or seeds is not None
    if several and resume is not None:
        raise UserError(f"--resume {resume}: goes on with one run; leave out --strategies and --seeds")
    names = _names(config, strategies) if several else []
    if dry_run or folder is None:
        from rewardrouter.training.plan import plan

        click.echo("\n".join(plan(config, folder)))
        if several:
            click.echo(f"Compared    {', '.join(names)}: {len(names) * (seeds or 1)} runs")
        return
    if several:
        with _told_how_to_go_on("the same command", folder):
            _compare(config, folder, names, seeds, workers)
        return

    from rewardrouter.training.comparison import results_of
    from rewardrouter.training.processes import is_first
    from rewardrouter.training.runs import TrainingRun, train_run

    with _told_how_to_go_on(f"rewardrouter train --resume {folder}", folder):
        train_run(config, folder, resume=resume is not None)
    if is_first():
        results = results_of(config, {config.annotator.strategy: [TrainingRun(folder)]}, [config.seed])
        results.write(folder / "results.json")
        click.echo(as_text(results))
        click.echo(f"Policy: {folder / 'policy'}   Next: rewardrouter report {folder}")


def as_text(results: TrainingResults) -> str:
    """Return the table that ``train`` prints."""
    from rewardrouter.report.wording import count

    width = max(len("strategy"), *(len(name) for name in results.strategies))
    head = (
        f"{results.steps:,} steps of {results.prompts_per_step} prompts, {count(len(results.seeds), 'seed')}"
    )
    if results.accuracy_before is not None:
        head += (
            f"; the policy answers {results.accuracy_before:.3f} of {results.evaluation_prompts:,} other prompts"
            " rightly before"
        )
    versus = f"vs {results.reference}"
    lines = [
        head,
        "",
        f"{'strategy':<{width}}  {'after':<6} {'95 %':<15} {versus:<26} {'labels right':<13} calls  seconds",
    ]
    for name, row in results.strategies.items():
        labels = "" if row.annotation_accuracy is None else f"{row.annotation_accuracy.mean:.3f}"
        lines.append(
            f"{name:<{width}}  {_measured(row.accuracy)} {labels:<13} {row.calls:>6,.0f}  {row.wall_seconds:>6,.0f}"
        )
    return "\n".join(lines) + "\n"


def _measured(value: Measured | None) -> str:
    if value is None:
        return f"{'':<49}"
    low, high = value.interval or (value.mean, value.mean)
    gap = ""
    if value.difference is not None and value.difference_interval is not None:
        below, above = value.difference_interval
        gap = f"{signed(value.difference)} {signed(below)},{signed(above)}"
    return f"{value.mean:<6.3f} {f'{low:.3f} to {high:.3f}':<15} {gap:<26}"


def _names(config: TrainConfig, strategies: str | None) -> list[str]:
    """Return the strategies that are compared, each once and known."""
    from rewardrouter.simulation.named import split_list
    from rewardrouter.training.comparison import check_strategies

    names = split_list(strategies) if strategies is not None else [config.annotator.strategy]
    if not names:
        raise UserError("--strategies: names none; give for example router,laser,random")
    names = list(dict.fromkeys(names))
    check_strategies(config, names)
    return names


def _compare(
    config: TrainConfig, folder: Path, names: list[str], seeds: int | None, workers: int | None
) -> None:
    import torch

    from rewardrouter.training.comparison import compare, missing

    if (folder / "config.yaml").exists():
        raise UserError(f"--out {folder}: holds a single run; give another folder")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder}: is a file; give a folder")
    processes = workers or (1 if torch.cuda.is_available() else os.cpu_count() or 1)
    chosen = range(seeds) if seeds is not None else [config.seed]
    with progress("runs", len(missing(folder, names, chosen))) as advance:
        results = compare(
            config,
            names,
            chosen,
            folder,
            processes=processes,
            threads=1 if processes > 1 else None,
            advance=advance,
        )
    click.echo(as_text(results))
    click.echo(f"Figures: {folder / 'results.json'}   Next: rewardrouter report {folder}")


def _check_packages() -> None:
    for package in ("trl", "peft", "accelerate", "datasets"):
        if find_spec(package) is None:
            raise MissingDependencyError(package, "train", "rewardrouter train")


@contextlib.contextmanager
def _told_how_to_go_on(command: str, folder: Path) -> Iterator[None]:
    """Say which command goes on where the block is interrupted, its process asked to end, or a server is away."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"stopped; {command} goes on", err=True)
        raise
    except OutageError as error:
        # A run that has done nothing yet leaves no settings behind: the same command begins it.
        command = command if (folder / "config.yaml").exists() else "the same command"
        raise OutageError(f"{error}. Once that is mended, {command} goes on") from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _settings(
    config_file: Path | None,
    out: Path | None,
    resume: Path | None,
    overrides: tuple[str, ...],
    *,
    dry_run: bool,
) -> tuple[TrainConfig, Path | None]:
    """Return the settings, of the file or of the run that is gone on with, and the run's folder, if one is needed."""
    from rewardrouter.config.loading import load_config
    from rewardrouter.config.train import TrainConfig

    if resume is not None:
        if config_file is not None or out is not None:
            raise UserError(
                "--resume: goes on with the settings and in the folder of the run; leave out --config, --out"
            )
        written = resume / "config.yaml"
        if (resume / "runs").is_dir():
            raise UserError(f"--resume {resume}: holds a comparison; give the command that began it again")
        if not written.is_file():
            raise UserError(f"--resume {resume}: holds no run (no config.yaml)")
        return load_config(TrainConfig, written, overrides), resume
    if out is None and not dry_run:
        raise UserError("--out: missing; name the folder of the run (or --resume RUN)")
    return load_config(TrainConfig, config_file, overrides), out
