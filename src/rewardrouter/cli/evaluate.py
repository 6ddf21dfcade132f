"""``rewardrouter evaluate``: a router and every baseline on pairs whose labels are known (paper Table 2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import no_cache_option, router_option
from rewardrouter.cli.output import STDOUT, check_file, json_option, keep_inputs, write_json, write_text
from rewardrouter.progress import log

if TYPE_CHECKING:
    from rewardrouter.simulation.evaluation import Evaluation


@click.command("evaluate")
@router_option
@click.option(
    "--verdicts", required=True, metavar="V", help="Labelled pairs with verdicts, not those it was fitted to."
)
@json_option
@click.option(
    "--annotations",
    type=click.Path(path_type=Path),
    callback=check_file,
    metavar="FILE",
    help="Write every label as JSONL.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, metavar="S", help="Of random choices and intervals."
)
@no_cache_option
def evaluate(
    folder: Path, verdicts: str, json_file: str | None, annotations: Path | None, seed: int, no_cache: bool
) -> None:
    """Measure a router and the baselines on labelled pairs.

    Accuracy is over the pairs that some reward model of the pool gets right;
    a pair that a strategy leaves without a label counts as wrong.
    """
    keep_inputs(
        {"--json": json_file, "--annotations": annotations}, {"--verdicts": verdicts, "--router": folder}
    )

    from rewardrouter.datasets.verdict_tables import load_verdicts
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.reward_models import recorded_pool
    from rewardrouter.router import BayesianRouter
    from rewardrouter.router.problems import known_lines
    from rewardrouter.simulation.evaluation import evaluate_strategies
    from rewardrouter.simulation.strategies import strategies

    cache = EmbeddingCache(None if no_cache else default_folder())
    router = BayesianRouter.from_pretrained(folder, cache=cache, show_progress=True)
    loaded = load_verdicts(verdicts, router.arms)
    for line in [*loaded.report.lines(), *known_lines(router.training.knows(loaded.table.pairs))]:
        log(line)
    named = strategies(router, recorded_pool(loaded.table), seed=seed, table=loaded.table)
    found = evaluate_strategies(loaded.table, named, reference="router", seed=seed)
    if annotations is not None:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found.annotation_rows())
        write_text("--annotations", annotations, text)
    if json_file is not None:
        write_json(json_file, found.as_json())
    if json_file != STDOUT:
        click.echo(as_text(found))


def as_text(found: Evaluation) -> str:
    """Return the table that ``evaluate`` prints."""
    domains = list(found.domains)
    width = max(len(name) for name in found.strategies)
    header = f"{'strategy':<{width}}  accuracy  95 % interval   vs router          coverage  calls"
    lines = [
        f"{found.n_pairs:,} pairs, {found.n_kept:,} of which some reward model gets right",
        "",
        header + "".join(f"  {domain[:12]:>12}" for domain in domains),
    ]
    for name, result in found.strategies.items():
        low, high = result.accuracy_interval
        versus = ""
        if result.difference is not None and result.difference_interval is not None:
            below, above = result.difference_interval
            versus = f"{result.difference:+.3f} {below:+.3f},{above:+.3f}"
        lines.append(
            f"{name:<{width}}  {result.accuracy:>8.3f}  {low:.3f} to {high:.3f}  {versus:<20}"
            f" {result.coverage:>6.1%}  {result.calls_per_pair:>5.2f}"
            + "".join(f"  {result.by_domain.get(domain, float('nan')):>12.3f}" for domain in domains)
        )
    return "\n".join(lines)
