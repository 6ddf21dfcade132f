"""``rewardrouter simulate``: strategies label a stream for a policy that trains on it (paper Tables 3, 6, 7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import config_option, no_cache_option, router_option
from rewardrouter.cli.output import keep_inputs, signed
from rewardrouter.cli.overrides import check_overrides
from rewardrouter.errors import UserError
from rewardrouter.progress import log, progress

if TYPE_CHECKING:
    from rewardrouter.config.replay import ReplayConfig
    from rewardrouter.simulation.results import ReplayFigures, ReplayResults

NO_POLICY = "none"


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
    help="Causal LM that trains: hub id or folder; none for strategies that do not learn from it, much sooner."
    "  [default: a small one, made here]",
)
@click.option(
    "--policy-texts",
    metavar="P",
    help="Pairs whose texts the small policy first learns, e.g. those of the router.  [default: the stream's]",
)
@config_option()
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes.  [default: one per CPU core; one on a GPU]",
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
    if policy_texts is not None and (replay.policy is None or replay.policy.checkpoint is not None):
        raise UserError("--policy-texts: only the small policy learns from them; leave it out with --policy")

    from rewardrouter.config.run import RunConfig
    from rewardrouter.datasets.pairs import load_pairs
    from rewardrouter.datasets.verdict_tables import load_verdicts
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.router import BayesianRouter
    from rewardrouter.simulation.named import asked_for
    from rewardrouter.simulation.replay import check_trained, collect_results, make_inputs
    from rewardrouter.simulation.run_folder import RunFolder, content_of
    from rewardrouter.simulation.workers import processes_for, run_units

    cache = EmbeddingCache(None if no_cache else default_folder())
    router = BayesianRouter.from_pretrained(folder, cache=cache, show_progress=True)
    asked = asked_for(strategies, router.arms)
    check_trained(replay, asked)
    loaded = load_verdicts(verdicts, router.arms)
    texts = None if policy_texts is None else load_pairs(policy_texts).pairs
    for line in loaded.report.lines():
        log(line)
    config = RunConfig(
        verdicts=verdicts,
        router=str(folder),
        policy_texts=policy_texts,
        rms=router.arms,
        replay=replay,
        content=content_of(loaded.table, folder, texts),
    )
    run = RunFolder(out, config)
    with run.opened(resume=resume):
        make_inputs(run, router, loaded.table, loaded.table.pairs if texts is None else texts, asked)
        units = [(one.name, seed) for seed in range(seeds) for one in asked]
        missing = [unit for unit in units if not run.unit(*unit).done]
        per_unit = replay.epochs_for(len(loaded.table)) * replay.batches_per_epoch(len(loaded.table))
        try:
            with progress("batches", len(missing) * per_unit) as advance:
                run_units(run, missing, workers or processes_for(replay.policy), advance)
        except KeyboardInterrupt:
            log("stopped; the same command with --resume goes on")
            raise
        results = collect_results(run, loaded.table, asked, range(seeds), router)
        results.write(out / "results.json")
    click.echo(as_text(results))
    click.echo(f"Figures: {out / 'results.json'}   Next: rewardrouter report {out}")


def as_text(results: ReplayResults) -> str:
    """Return the table that ``simulate`` prints."""
    from rewardrouter.report.wording import count

    names = list(results.strategies)
    width = max(len("strategy"), *(len(name) for name in names))
    lines = [
        f"{results.n_pairs:,} pairs, {results.n_kept:,} of which some reward model gets right;"
        f" {results.batches:,} batches of {results.batch_size} in {count(results.epochs, 'epoch')},"
        f" {count(len(results.seeds), 'seed')}",
        *results.notes,
        "",
        f"{'strategy':<{width}}  accuracy  95 % of seeds   vs {results.reference:<22}  early   late  calls  reward AUC",
    ]
    several = len(results.seeds) > 1
    lines += [f"{name:<{width}}  {_row(figures, several)}" for name, figures in results.strategies.items()]
    failed = [(name, one) for name, figures in results.strategies.items() for one in figures.failures]
    return "\n".join([*lines, "", *(f"{one.name}: {name}: {one.says}" for name, one in failed)]).rstrip()


def _row(figures: ReplayFigures, several: bool) -> str:
    interval, versus = "", ""
    if several:
        low, high = figures.accuracy_interval
        interval = f"{low:.3f} to {high:.3f}"
    if figures.difference is not None and figures.difference_interval is not None:
        below, above = figures.difference_interval
        versus = signed(figures.difference) + (f" {signed(below)},{signed(above)}" if several else "")
    return (
        f"{figures.accuracy:>8.3f}  {interval:<14}  {versus:<25}  {_figure(figures.accuracy_early)}"
        f"  {_figure(figures.accuracy_late)}  {figures.calls_per_pair:>5.2f}  {_figure(figures.reward_auc):>10}"
    ).rstrip()


def _figure(value: float | None) -> str:
    return "     " if value is None else f"{value:.3f}"


def _settings(config_file: Path | None, overrides: tuple[str, ...], policy: str | None) -> ReplayConfig:
    """Return the settings: the file, changed by the overrides, then by ``--policy``."""
    from rewardrouter.config.loading import load_config
    from rewardrouter.config.policy import PolicyConfig
    from rewardrouter.config.replay import ReplayConfig

    check_overrides(overrides)
    given = list(overrides)
    if policy == NO_POLICY:
        for word in overrides:
            if word.removeprefix("--").partition("=")[0].split(".")[0] == "policy":
                raise UserError(
                    f"{word}: sets a policy, and --policy none has none; leave one of the two out"
                )
        given.append("policy=null")
    elif policy is not None:
        given.append(f"policy.checkpoint={json.dumps(policy)}")
    found = load_config(ReplayConfig, config_file, given).policy
    # A policy that is given is trained as in the paper, the small one as suits it.
    paper = found is not None and found.checkpoint is not None
    defaults = ReplayConfig(policy=PolicyConfig()) if paper else ReplayConfig()
    return load_config(ReplayConfig, config_file, given, defaults=defaults)
