"""A replay's section of the page: what a reader is told of it, in which order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar

from rewardrouter.report import figures, tables
from rewardrouter.report.elements import Fact, Figure, Table
from rewardrouter.report.wording import best_single, count, headline, numbers
from rewardrouter.simulation.results import ReplayResults


@dataclasses.dataclass(frozen=True)
class NamedFailure:
    """A failure, of which strategy, and the sentence that shows it."""

    strategy: str
    name: str
    says: str


@dataclasses.dataclass(frozen=True)
class ReplaySection:
    """All that the page says of one replay."""

    kind: ClassVar[str] = "replay"

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
    policy: Table | None
    """What the policy learnt; ``None`` where none was trained."""
    seconds: Table


def replay_section(anchor: str, name: str, results: ReplayResults) -> ReplaySection:
    """Return what the page says of a replay; its ids begin with ``anchor``."""
    make: dict[str, Callable[[ReplayResults, str], Figure | None]] = {
        "accuracy": figures.accuracy_figure,
        "arms": figures.share_figure,
        "beliefs": figures.belief_figure,
        "reliability": figures.reliability_figure,
    }
    trained = any(one.policy_auc_end is not None for one in results.strategies.values())
    drawn = [function(results, f"{anchor}-{what}") for what, function in make.items()]
    return ReplaySection(
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
        policy=tables.policy_table(results) if trained else None,
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
