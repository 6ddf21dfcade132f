"""``rewardrouter prepare``: a published data set in, pairs or prompts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rewardrouter.cli.output import STDOUT, check_file, json_option, keep_inputs, write_json
from rewardrouter.datasets.sources import SOURCES, source_named
from rewardrouter.errors import UserError

if TYPE_CHECKING:
    from rewardrouter.datasets.preparing import PreparedPairs, PreparedPrompts
    from rewardrouter.datasets.sources.base import PairSource, PromptSource

_DOMAINS_SHOWN = 12


@click.command("prepare", epilog=f"Data sets: {', '.join(SOURCES)}.")
@click.argument("name", metavar="NAME")
@click.option(
    "--source",
    "places",
    multiple=True,
    metavar="FILE|HUB-ID",
    help="Its native file (may be given several times), a saved folder, or a hub name.  [default: the hub]",
)
@click.option(
    "--split",
    metavar="S",
    help="Split to take from the hub, or of a saved folder of several.  [default: its first]",
)
@click.option(
    "--keep-ties", is_flag=True, help="Keep pairs of which neither response was preferred, without a label."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, metavar="S", help="Of a split that is made here (mmlu)."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    callback=check_file,
    metavar="F",
    help="File of the pairs or prompts: .parquet or .jsonl.",
)
@json_option
def prepare(
    name: str,
    places: tuple[str, ...],
    split: str | None,
    keep_ties: bool,
    seed: int,
    out: Path,
    json_file: str | None,
) -> None:
    """Make pairs or prompts of a published data set, from the files of its authors.

    Pairs are for collect, fit and evaluate, prompts (with the gold answer where
    there is one) for train. Which response is A is decided by the texts alone,
    pairs of one prompt or problem share a group, and what cannot be used is
    counted. The counts of the paper stand beside; where it kept only pairs that
    some reward model gets right, evaluate does so.
    """
    source = source_named(name)
    keep_inputs({"--out": out, "--json": json_file}, {f"--source {place}": place for place in places})
    from rewardrouter.datasets.pair_files import SUFFIXES, write_table

    if out.suffix not in SUFFIXES:
        raise UserError(f"--out {out}: expected a file that ends in {' or '.join(SUFFIXES)}")
    prepared = _prepared(source, places, split, keep_ties, seed)
    write_table(out, prepared.table())
    counts = prepared.counts()
    if json_file is not None:
        write_json(json_file, counts)
    if json_file != STDOUT:
        click.echo("\n".join([*as_text(source.title, counts, keep_ties), *prepared.report.lines()]))
        _say_next(out, "pairs" in counts, bool(counts.get("labelled")))


def as_text(title: str, counts: Mapping[str, Any], keep_ties: bool) -> list[str]:
    """Return what ``prepare`` says of the counts of pairs or prompts, before what was wrong with some rows."""
    from rewardrouter.report.wording import count

    unit = "pair" if "pairs" in counts else "prompt"
    groups = f" in {count(counts['groups'], 'group')}" if "groups" in counts else ""
    lines = [f"{title}: {count(counts['rows'], 'row')}, {count(counts[f'{unit}s'], unit)}{groups}"]
    domains: Sequence[tuple[str, int]] = list(counts["domains"].items())
    if len(domains) > 1:
        width = max(len(domain) for domain, _ in domains[:_DOMAINS_SHOWN])
        lines += [f"  {domain:<{width}}  {n:>7,}" for domain, n in domains[:_DOMAINS_SHOWN]]
        if len(domains) > _DOMAINS_SHOWN:
            lines.append(f"  ... and {len(domains) - _DOMAINS_SHOWN} smaller domains")
    if counts.get("ties"):
        what = "kept without a label" if keep_ties else "left out; --keep-ties keeps them, without a label"
        lines.append(f"Ties: {counts['ties']:,}, {what}")
    if counts["in_the_paper"]:
        lines.append(f"In the paper: {counts['in_the_paper']}")
    return lines


def _prepared(
    source: PairSource | PromptSource,
    places: Sequence[str],
    split: str | None,
    keep_ties: bool,
    seed: int,
) -> PreparedPairs | PreparedPrompts:
    from rewardrouter.datasets.preparing import prepare_pairs, prepare_prompts
    from rewardrouter.datasets.sources.base import PairSource

    if isinstance(source, PairSource):
        return prepare_pairs(source, places, split, keep_ties=keep_ties)
    if keep_ties:
        raise UserError(f"--keep-ties: {source.name} holds prompts, not pairs; leave it out")
    return prepare_prompts(source, places, split, seed=seed)


def _say_next(out: Path, are_pairs: bool, labelled: bool) -> None:
    if not are_pairs:
        click.echo(f"Prompts: {out}     Next: rewardrouter train, with {out} as prompts.source")
        return
    command = "collect" if labelled else "annotate"
    rest = "--out DIR" if labelled else "--router ROUTER --out F"
    click.echo(f"Pairs: {out}     Next: rewardrouter {command} --pairs {out} --pool POOL.yaml {rest}")
