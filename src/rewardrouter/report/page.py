"""The page: what a reader is told of each run, in which order."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import jinja2
import markupsafe

from rewardrouter.errors import DataError
from rewardrouter.report import figures, tables
from rewardrouter.report.colours import ALL
from rewardrouter.report.elements import Figure, Table
from rewardrouter.report.svg import drawing
from rewardrouter.report.wording import best_single, count, headline, numbers
from rewardrouter.simulation.results import ReplayResults

FAILURES = ("collapse", "low early accuracy", "late decay")


@dataclasses.dataclass(frozen=True)
class Fact:
    """One line of what was run."""

    name: str
    text: str


@dataclasses.dataclass(frozen=True)
class NamedFailure:
    """A failure, of which strategy, and the sentence that shows it."""

    strategy: str
    name: str
    says: str


@dataclasses.dataclass(frozen=True)
class Section:
    """All that the page says of one run."""

    anchor: str
    name: str
    headline: str
    caution: str
    facts: Sequence[Fact]
    notes: Sequence[str]
    main: Table
    more: Sequence[Table]
    domains: Table
    failures: Sequence[NamedFailure]
    figures: Sequence[Figure]
    policy: Table
    seconds: Table


def html(runs: Mapping[str, ReplayResults]) -> str:
    """Return the page of one or more runs by name.

    Raises
    ------
    DataError
        If a run's reference is not among its strategies.
    """
    for name, results in runs.items():
        if results.reference not in results.strategies:
            raise DataError(
                f"{name}: its reference strategy {results.reference} is not among its strategies; run simulate again"
            )
    with drawing():
        sections = [_section(f"run-{i}", *run) for i, run in enumerate(runs.items(), start=1)]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rewardrouter.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    overview = tables.runs_table(runs) if len(runs) > 1 else None
    return environment.get_template("page.html").render(
        sections=sections, overview=overview, colours=ALL, failures=FAILURES
    )


def _breakable(name: str) -> markupsafe.Markup:
    """Return a name, escaped, that may be broken after the signs that join its parts."""
    parts = [markupsafe.escape(part) for part in re.split(r"(?<=[:/=,_])", name)]
    return markupsafe.Markup("<wbr>").join(parts)


def _section(anchor: str, name: str, results: ReplayResults) -> Section:
    make: dict[str, Callable[[ReplayResults, str], Figure | None]] = {
        "accuracy": figures.accuracy_figure,
        "arms": figures.share_figure,
        "beliefs": figures.belief_figure,
        "reliability": figures.reliability_figure,
    }
    drawn = [function(results, f"{anchor}-{what}") for what, function in make.items()]
    return Section(
        anchor=anchor,
        name=name,
        headline=headline(results),
        caution=_caution(results),
        facts=_facts(results),
        notes=results.notes,
        main=tables.strategies_table(results),
        more=[tables.spread_table(results), tables.rms_table(results)],
        domains=tables.domains_table(results),
        failures=[
            NamedFailure(strategy, failure.name, failure.says)
            for strategy in tables.ordered(results)
            for failure in results.strategies[strategy].failures
        ],
        figures=[figure for figure in drawn if figure is not None],
        policy=tables.policy_table(results),
        seconds=tables.seconds_table(results),
    )


def _caution(results: ReplayResults) -> str:
    """Return what the headline's interval does not cover."""
    said = []
    if len(results.seeds) > 1:
        said.append(
            "The interval is over seeds on the same pairs: the order of the stream, and chance."
            " Other pairs may differ by more."
        )
    if best_single(results) is not None:
        said.append("Which single reward model is best is known only afterwards, from these pairs.")
    return " ".join(said)


def _facts(results: ReplayResults) -> list[Fact]:
    kept = results.n_kept / results.n_pairs if results.n_pairs else 0.0
    batches = "1 batch" if results.batches == 1 else f"{results.batches:,} batches"
    return [
        Fact("Pairs", f"{results.n_pairs:,}, of {results.verdicts}"),
        Fact("Kept", f"{results.n_kept:,} ({kept:.1%}) that some reward model gets right"),
        Fact("Stream", f"{batches} of {results.batch_size:,} pairs, in {count(results.epochs, 'epoch')}"),
        Fact("Seeds", f"{len(results.seeds):,} ({numbers(results.seeds)})"),
        Fact("Reward models", f"{len(results.arms):,}: {', '.join(results.arms)}"),
        Fact("Policy", results.policy),
        Fact("Strategies", f"{len(results.strategies):,}; the reference is {results.reference}"),
    ]
