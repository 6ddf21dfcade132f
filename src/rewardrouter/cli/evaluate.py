"""``rewardrouter evaluate``: a router and every baseline on pairs whose labels are known (paper Table 2)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import no_cache_option, router_option
from rewardrouter.cli.output import (
    STDOUT,
    check_file,
    json_option,
    keep_inputs,
    signed,
    write_json,
    write_text,
)
from rewardrouter.errors import ConfigError, did_you_mean
from rewardrouter.progress import log

if TYPE_CHECKING:
    from rewardrouter.simulation.evaluation import Evaluation


_DOMAINS_SHOWN = 3
"""Columns of domains in the printed table; ``--json`` has all."""


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
    "--costs",
    "costs_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.yaml",
    help="What a call to each reward model costs (NAME: number): adds budgets of cost.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, metavar="S", help="Of random choices and intervals."
)
@no_cache_option
def evaluate(
    folder: Path,
    verdicts: str,
    json_file: str | None,
    annotations: Path | None,
    costs_file: Path | None,
    seed: int,
    no_cache: bool,
) -> None:
    """Measure a router and the baselines on labelled pairs.

    Accuracy is over the pairs that some reward model of the pool gets right;
    a pair that a strategy leaves without a label counts as wrong. The file of
    --json is read by `rewardrouter report`.
    """
    inputs: dict[str, Path | str] = {"--verdicts": verdicts, "--router": folder}
    if costs_file is not None:
        inputs["--costs"] = costs_file
    keep_inputs({"--json": json_file, "--annotations": annotations}, inputs)

    from rewardrouter.datasets.verdict_tables import load_verdicts
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.reward_models import recorded_pool
    from rewardrouter.router import BayesianRouter
    from rewardrouter.router.problems import known_lines
    from rewardrouter.simulation.calibrated import measure_calibration
    from rewardrouter.simulation.evaluation import evaluate_strategies
    from rewardrouter.simulation.once import AskedOnce
    from rewardrouter.simulation.strategies import strategies

    cache = EmbeddingCache(None if no_cache else default_folder())
    router = BayesianRouter.from_pretrained(folder, cache=cache, show_progress=True)
    costs = None if costs_file is None else _costs(costs_file, router.arms)
    loaded = load_verdicts(verdicts, router.arms)
    for line in [*loaded.report.lines(), *known_lines(router.training.knows(loaded.table.pairs))]:
        log(line)
    once = AskedOnce(router)
    pool = recorded_pool(loaded.table, prices=costs)
    named = strategies(once, pool, seed=seed, table=loaded.table, costs=costs)
    found = evaluate_strategies(loaded.table, named, reference="router", seed=seed, costs=costs)
    found = dataclasses.replace(found, calibration=measure_calibration(loaded.table, once, seed))
    if annotations is not None:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found.annotation_rows())
        write_text("--annotations", annotations, text)
    if json_file is not None:
        write_json(json_file, found.as_json())
    if json_file != STDOUT:
        click.echo(as_text(found))


def _costs(file: Path, arms: Sequence[str]) -> dict[str, float]:
    """Return the cost of a call to each of the router's arms."""
    from rewardrouter.config.cascade import CostFile
    from rewardrouter.config.loading import load_config

    given = load_config(CostFile, file).model_extra or {}
    missing = [arm for arm in arms if arm not in given]
    for name in given:
        if name not in arms:
            raise ConfigError(
                f"{file}: {name} is no reward model of the router.{did_you_mean(name, missing or arms)}"
                f" It has: {', '.join(arms)}"
            )
    if missing:
        raise ConfigError(f"{file}: no cost of {missing[0]}. Add a line: {missing[0]}: NUMBER")
    return {arm: float(given[arm]) for arm in arms}


def as_text(found: Evaluation) -> str:
    """Return the table that ``evaluate`` prints."""
    # the largest in columns of their own, the others in one: a terminal is 120 to 130 characters wide
    ranked = sorted(found.domains, key=lambda name: -found.domains[name])
    shown = list(found.domains) if len(ranked) <= _DOMAINS_SHOWN else ranked[: _DOMAINS_SHOWN - 1]
    rest = [name for name in ranked if name not in shown]
    titles = [name if len(name) <= 12 else f"{name[:11]}…" for name in shown]
    titles += [f"{len(rest)} others"] if rest else []
    width = max(len(name) for name in found.strategies)
    header = f"{'strategy':<{width}}  accuracy  95 % interval   vs router          coverage  calls"
    costly = any(result.cost_per_pair is not None for result in found.strategies.values())
    lines = [
        f"{found.n_pairs:,} pairs, {found.n_kept:,} of which some reward model gets right",
        "",
        header + ("      cost" if costly else "") + "".join(f"  {title:>12}" for title in titles),
    ]
    for name, result in found.strategies.items():
        low, high = result.accuracy_interval
        versus = ""
        if result.difference is not None and result.difference_interval is not None:
            below, above = result.difference_interval
            versus = f"{signed(result.difference)} {signed(below)},{signed(above)}"
        lines.append(
            f"{name:<{width}}  {result.accuracy:>8.3f}  {low:.3f} to {high:.3f}  {versus:<20}"
            f" {result.coverage:>6.1%}  {result.calls_per_pair:>5.2f}"
            + ("" if result.cost_per_pair is None else f"  {result.cost_per_pair:>8.4g}")
            + "".join(f"  {result.by_domain.get(domain, float('nan')):>12.3f}" for domain in shown)
            + (f"  {_over(result.by_domain, found.domains, rest):>12.3f}" if rest else "")
        )
    if found.calibration is not None:
        errors = [
            (rm, one.here.error) for rm, one in found.calibration.rms.items() if one.here.error is not None
        ]
        told = ", ".join(f"{rm} {error:.3f}" for rm, error in errors)
        lines += ["", f"Calibration error of P(right | margin, pair): {told}"]
    return "\n".join(lines)


def _over(by_domain: Mapping[str, float], sizes: Mapping[str, int], names: Sequence[str]) -> float:
    """Return the accuracy over the pairs of some domains."""
    return sum(by_domain.get(name, 0.0) * sizes[name] for name in names) / sum(sizes[name] for name in names)
