"""``rewardrouter collect``: what every reward model of a pool says of every pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import names_of
from rewardrouter.cli.output import keep_inputs
from rewardrouter.progress import log

if TYPE_CHECKING:
    from rewardrouter.reward_models.collecting import Tally


@click.command("collect")
@click.option(
    "--pairs", "source", required=True, metavar="P", help="Pairs to judge: parquet, JSONL, or a dataset."
)
@click.option(
    "--pool",
    "pool_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="POOL.yaml",
    help="The reward models.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the verdicts; gone on with if it was begun.",
)
@click.option("--rms", metavar="a,b,c", help="Only these of the pool.  [default: all]")
@click.option(
    "--retry",
    "retries",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Make calls that fail again, up to N times.",
)
@click.option(
    "--chunk",
    type=click.IntRange(min=1),
    default=256,
    metavar="N",
    help="Pairs judged and written at once: what a killed run loses at most, of each reward model asked then.",
)
def collect(source: str, pool_file: Path, out: Path, rms: str | None, retries: int, chunk: int) -> None:
    """Run every reward model of a pool on every pair.

    Models of this process are asked one after the other, so that one is in
    memory at a time; servers, judges and models on Ray are asked meanwhile, all
    at once. DIR is what fit and evaluate take as --verdicts where the pairs
    have labels, and what a pool takes as the source of recorded verdicts. The
    same command again asks only what has no verdict yet: what a killed run did
    not reach, calls that failed, reward models added to the pool.
    """
    from rewardrouter.datasets.pairs import load_pairs
    from rewardrouter.reward_models.loading import load_pool, recorded_sources

    recordings = {f"{pool_file} ({place})": place for place in recorded_sources(pool_file)}
    keep_inputs({"--out": out}, {"--pairs": source, "--pool": pool_file, **recordings})
    loaded = load_pairs(source)
    for line in loaded.report.lines():
        log(line)
    pool = click.get_current_context().with_resource(load_pool(pool_file, names_of(rms)))

    from rewardrouter.datasets.verdict_writer import VerdictWriter
    from rewardrouter.reward_models.collecting import collect_verdicts

    with VerdictWriter(out, loaded, {rm: pool.identity(rm) for rm in pool.names}) as writer:
        tallies = collect_verdicts(pool, loaded, writer, chunk=chunk, retries=retries)
    for tally in tallies:
        if tally.reason is not None:
            log(f"{tally.rm}: {tally.failures:,} calls failed, most often: {tally.reason}")
    click.echo(as_text(tallies, len(loaded.pairs)))
    click.echo(f"Verdicts: {out}" + ("     Failed calls: the same command again" if _failed(tallies) else ""))
    if repeating := sum(tally.repeating for tally in tallies):
        click.echo(f"Failures that would repeat, and are not asked again: {repeating:,}")
    silent = [tally.rm for tally in tallies if tally.failures and not tally.verdicts]
    if silent:
        again = ": the same command asks again what failed" if _failed(tallies) else ""
        click.echo(f"No verdict at all of {', '.join(silent)}{again}")
        if len(silent) == len(tallies):
            click.get_current_context().exit(1)
    elif any(loaded.labels):
        click.echo(f"Next: rewardrouter fit --verdicts {out} --out ROUTER")


def as_text(tallies: Sequence[Tally], n_pairs: int) -> str:
    """Return the table that ``collect`` prints: a line per RM."""
    width = max(len("reward model"), *(len(tally.rm) for tally in tallies))
    priced = any(tally.cost_now is not None for tally in tallies)
    cached = any(tally.cached_now for tally in tallies)
    header = f"{'reward model':<{width}}  verdicts     ties  failed  accuracy  s per 1,000 pairs  calls now"
    lines = [
        f"{n_pairs:,} pairs",
        "",
        header + ("    cached" if cached else "") + ("        cost" if priced else ""),
    ]
    for tally in tallies:
        accuracy = "-" if tally.accuracy is None else f"{tally.accuracy:.3f}"
        seconds = "-" if tally.seconds_per_1000 is None else f"{tally.seconds_per_1000:,.1f}"
        line = (
            f"{tally.rm:<{width}}  {tally.verdicts:>8,}  {tally.ties:>7,}  {tally.failures:>6,}"
            f"  {accuracy:>8}  {seconds:>17}  {tally.calls_now:>9,}"
        )
        spent = "-" if tally.cost_now is None else f"{tally.cost_now:,.2f}"
        more = f"  {tally.cached_now:>8,}" if cached else ""
        lines.append(line + more + (f"  {spent:>10}" if priced else ""))
    return "\n".join(lines)


def _failed(tallies: Sequence[Tally]) -> bool:
    return any(tally.failures > tally.repeating for tally in tallies)
