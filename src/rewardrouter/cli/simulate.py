"""``rewardrouter simulate``: strategies label a stream for a policy that trains on it (paper Tables 3, 6, 7)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import no_cache_option, router_option
from rewardrouter.cli.output import keep_inputs, make_folder
from rewardrouter.errors import ConfigError, UserError, did_you_mean
from rewardrouter.progress import log, progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewardrouter.config.replay import ReplayConfig
    from rewardrouter.config.run import RunConfig
    from rewardrouter.pairs import PreferencePair
    from rewardrouter.router import BayesianRouter
    from rewardrouter.simulation.results import ReplayFigures, ReplayResults


@click.command("simulate", context_settings={"ignore_unknown_options": True})
@click.option(
    "--verdicts", required=True, metavar="V", help="Labelled pairs with verdicts, not those it was fitted to."
)
@router_option
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="RUN", help="Folder of the run."
)
@click.option(
    "--strategies",
    metavar="LIST",
    help="a,b,c; NAME:key=value,key=value is another setting. Differences are to the first."
    "  [default: the paper's]",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, metavar="K", help="Seeds 0 to K - 1.")
@click.option(
    "--policy",
    metavar="ID",
    help="Causal LM that trains: hub id or folder.  [default: a small one, made here]",
)
@click.option(
    "--policy-texts",
    metavar="P",
    help="Pairs whose texts the small policy first learns, e.g. those of the router.  [default: the stream's]",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Settings (YAML).",
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one per CPU core]"
)
@click.option("--resume", is_flag=True, help="Go on with RUN; strategies and seeds may be added.")
@no_cache_option
@click.argument("overrides", nargs=-1, metavar="[--a.b=c ...]")
def simulate(
    verdicts: str,
    folder: Path,
    out: Path,
    strategies: str | None,
    seeds: int,
    policy: str | None,
    policy_texts: str | None,
    config_file: Path | None,
    workers: int | None,
    resume: bool,
    no_cache: bool,
    overrides: tuple[str, ...],
) -> None:
    """Replay labelled pairs: each strategy labels them, a policy trains on the labels.

    The labels of the stream are known and count each strategy's as right or
    wrong; no strategy sees them. Any setting can be given as --a.b=c, for
    example --policy.loss=ipo or --epochs=5. Killed on the way, the same command
    with --resume goes on where it stood, to the same figures.
    """
    keep_inputs({"--out": out}, {"--verdicts": verdicts, "--router": folder})
    replay = _settings(config_file, overrides, policy)
    if replay.policy.checkpoint is not None and policy_texts is not None:
        raise UserError("--policy-texts: only the small policy learns from them; leave it out with --policy")

    from filelock import FileLock, Timeout

    from rewardrouter.config.run import RunConfig
    from rewardrouter.datasets.pairs import load_pairs
    from rewardrouter.datasets.verdict_tables import load_verdicts
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.router import BayesianRouter
    from rewardrouter.simulation.learning import PAPER, named, split_list
    from rewardrouter.simulation.replay import ReplayFolder, collect_results, make_inputs
    from rewardrouter.simulation.workers import run_units

    cache = EmbeddingCache(None if no_cache else default_folder())
    router = BayesianRouter.from_pretrained(folder, cache=cache, show_progress=True)
    asked = named(split_list(strategies) if strategies else PAPER, router.arms)
    loaded = load_verdicts(verdicts, router.arms)
    for line in loaded.report.lines():
        log(line)
    config = RunConfig(
        verdicts=verdicts, router=str(folder), policy_texts=policy_texts, rms=router.arms, replay=replay
    )
    _begin(out, config, resume)
    run = ReplayFolder(out, config)
    try:
        with FileLock(out / ".lock", timeout=0):
            texts = loaded.table.pairs if policy_texts is None else load_pairs(policy_texts).pairs
            make_inputs(run, router, loaded.table, texts)
            units = [(one.name, seed) for seed in range(seeds) for one in asked]
            missing = [unit for unit in units if not run.unit(*unit).done]
            per_unit = replay.epochs_for(len(loaded.table)) * replay.batches_per_epoch(len(loaded.table))
            with progress("batches", len(missing) * per_unit) as advance:
                run_units(run, missing, workers or os.cpu_count() or 1, advance)
            notes = [*_notes(router, loaded.table.pairs, config), run.cut_report()]
            results = collect_results(run, loaded.table, asked, range(seeds), notes)
            results.write(out / "results.json")
    except Timeout:
        raise UserError(f"--out {out}: another process is at work in it; wait for it, or stop it") from None
    click.echo(as_text(results))
    click.echo(f"Figures: {out / 'results.json'}   Next: rewardrouter report {out}")


def as_text(results: ReplayResults) -> str:
    """Return the table that ``simulate`` prints."""
    names = list(results.strategies)
    width = max(len("strategy"), *(len(name) for name in names))
    lines = [
        f"{results.n_pairs:,} pairs, {results.n_kept:,} of which some reward model gets right;"
        f" {results.batches:,} batches of {results.batch_size} in {results.epochs} epochs, {len(results.seeds)} seeds",
        *results.notes,
        "",
        f"{'strategy':<{width}}  accuracy  95 % interval   vs {results.reference:<22}  early   late  calls  reward AUC",
    ]
    lines += [f"{name:<{width}}  {_row(figures)}" for name, figures in results.strategies.items()]
    failed = [(name, one) for name, figures in results.strategies.items() for one in figures.failures]
    return "\n".join([*lines, "", *(f"{one.name}: {name}: {one.says}" for name, one in failed)]).rstrip()


def _row(figures: ReplayFigures) -> str:
    low, high = figures.accuracy_interval
    versus = ""
    if figures.difference is not None and figures.difference_interval is not None:
        below, above = figures.difference_interval
        versus = f"{figures.difference:+.3f} {below:+.3f},{above:+.3f}"
    reward = "" if figures.reward_auc is None else f"{figures.reward_auc:.3f}"
    return (
        f"{figures.accuracy:>8.3f}  {low:.3f} to {high:.3f}  {versus:<25}  {figures.accuracy_early:.3f}"
        f"  {figures.accuracy_late:.3f}  {figures.calls_per_pair:>5.2f}  {reward:>10}"
    )


def _settings(config_file: Path | None, overrides: tuple[str, ...], policy: str | None) -> ReplayConfig:
    """Return the settings: the file, changed by the overrides, then by ``--policy``."""
    from rewardrouter.config.loading import load_config
    from rewardrouter.config.policy import PolicyConfig
    from rewardrouter.config.replay import ReplayConfig

    for word in overrides:
        if not (word.startswith("--") and "=" in word):
            options = [name for known in click.get_current_context().command.params for name in known.opts]
            hint = did_you_mean(word, options) or " A setting is given as --a.b=c."
            raise click.UsageError(f"unexpected argument {word}.{hint}")
    given = [*overrides, *([f"policy.checkpoint={json.dumps(policy)}"] if policy is not None else [])]
    small = load_config(ReplayConfig, config_file, given).policy.checkpoint is None
    # A policy that is given is trained as in the paper, the small one as suits it.
    defaults = ReplayConfig() if small else ReplayConfig(policy=PolicyConfig())
    return load_config(ReplayConfig, config_file, given, defaults=defaults)


def _begin(out: Path, config: RunConfig, resume: bool) -> None:
    """Make the run's folder, or see that the run in it is the same."""
    from rewardrouter.config.loading import dump_config, load_config
    from rewardrouter.config.run import RunConfig

    written = out / "config.yaml"
    if written.exists():
        if not resume:
            raise UserError(
                f"--out {out}: holds a run already; give --resume to go on with it, or another folder"
            )
        before = load_config(RunConfig, written)
        if before != config:
            raise ConfigError(
                f"--resume: {_difference(before.model_dump(), config.model_dump())} ({written})"
            )
        return
    if out.exists() and any(out.iterdir()):
        raise UserError(f"--out {out}: is not empty and holds no run; give another folder")
    make_folder("--out", out)
    written.write_text(dump_config(config), encoding="utf-8")


def _difference(before: dict[str, object], now: dict[str, object], path: str = "") -> str:
    for key, old in before.items():
        new = now[key]
        if isinstance(old, dict) and isinstance(new, dict) and old != new:
            return _difference(old, new, f"{path}{key}.")
        if old != new:
            return f"{path}{key} was {old!r} and is {new!r} now; give the same, or another --out"
    return "the settings differ; give the same, or another --out"


def _notes(router: BayesianRouter, pairs: Sequence[PreferencePair], config: RunConfig) -> list[str]:
    """Return what a reader of the figures must know."""
    from rewardrouter.router.problems import known_lines

    notes = []
    notes += known_lines(router.training.knows(pairs))
    epochs = config.replay.epochs_for(len(pairs))
    if epochs > 1:
        notes.append(f"The stream is short: it is passed {epochs} times, each time in another order.")
    if config.replay.policy.checkpoint is None:
        source = "the stream's own pairs" if config.policy_texts is None else Path(config.policy_texts).name
        notes.append(
            f"The policy is a small language model, first trained on the texts of {source}, without labels."
        )
    return notes
