"""What ``annotate`` counts while it labels: labels, calls and costs, and what became of each reward model's answers."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rewardrouter.reward_models.accounts import reason_class

if TYPE_CHECKING:
    from rewardrouter.annotators import Annotation


@dataclasses.dataclass
class LabelCounts:
    """Counts over pairs that were labelled or dropped in this run.

    The others are by RM: pairs that it was asked about, those of them that no answer came to, on which its call
    failed, and whose label is its answer.
    """

    labelled: int = 0
    dropped: int = 0
    asked: Counter[str] = dataclasses.field(default_factory=Counter)
    unanswered: Counter[str] = dataclasses.field(default_factory=Counter)
    failed: Counter[str] = dataclasses.field(default_factory=Counter)
    agreed: Counter[str] = dataclasses.field(default_factory=Counter)
    reasons: Counter[str] = dataclasses.field(default_factory=Counter)
    """Of failed calls, ``NAME: reason``."""

    @property
    def pairs(self) -> int:
        """Pairs with or without a label."""
        return self.labelled + self.dropped

    def add(self, annotations: Iterable[Annotation]) -> None:
        """Count some more pairs."""
        for one in annotations:
            self.labelled += one.label is not None
            self.dropped += one.label is None
            self.asked.update(one.rms)
            self.unanswered.update(verdict.rm for verdict in one.verdicts if not verdict.answered)
            self.reasons.update(
                f"{verdict.rm}: {reason_class(verdict.error)}"
                for verdict in one.verdicts
                if verdict.error is not None
            )
            self.failed.update(verdict.rm for verdict in one.verdicts if verdict.error is not None)
            if one.label is not None:
                self.agreed.update(verdict.rm for verdict in one.verdicts if verdict.label == one.label)

    def cost(self, prices: Mapping[str, float | None]) -> float | None:
        """Return the mean cost per pair of what was answered, be it by a cache; ``None`` where a price is missing."""
        known = {rm: price for rm in self.asked if (price := prices.get(rm)) is not None}
        if not self.asked or len(known) < len(self.asked):
            return None
        return sum(known[rm] * (n - self.unanswered[rm]) for rm, n in self.asked.items()) / self.pairs

    def lines(self, prices: Mapping[str, float | None]) -> list[str]:
        """Return the calls per pair, their cost where it is known, and a line per RM, the one asked most first."""
        if not self.pairs:
            return []
        cost = self.cost(prices)
        width = max(len("reward model"), *map(len, self.asked))
        lines = [
            f"Reward models asked per pair: {self.asked.total() / self.pairs:.2f}"
            + ("" if cost is None else f"     Cost per pair: {cost:.4g}"),
            f"  {'reward model':<{width}}    asked  of pairs  label as it said"
            + ("  failed" if self.failed else ""),
        ]
        for rm, asked in sorted(self.asked.items(), key=lambda item: (-item[1], item[0])):
            lines.append(
                f"  {rm:<{width}}  {asked:>7,}  {asked / self.pairs:>8.1%}  {self.agreed[rm]:>7,}"
                f"  {self.agreed[rm] / asked:>7.1%}" + (f"  {self.failed[rm]:>6,}" if self.failed else "")
            )
        return lines
