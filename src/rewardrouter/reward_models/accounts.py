"""What was asked of each reward model, what came of it, and what it cost."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rewardrouter.verdicts import Verdict

OTHER = "other"
"""The class of reasons beyond the first :data:`CLASSES`."""

CLASSES = 20
"""Distinct reasons kept of one RM: they may hold what differs from pair to pair."""

_WHERE = re.compile(r"^(response [AB]: )?(https?://\S+: )?")
"""What a reason may begin with: the response that it is about, and the address that was asked."""
_TIMES = re.compile(r", \d+ times in a row$")
_LONGEST = 80


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """One RM's account since its pool was made."""

    rm: str
    calls: int = 0
    """Calls of ``judge``, each of one or more pairs."""
    pairs: int = 0
    """Pairs in these calls; what the cache knew is not among them."""
    cached: int = 0
    """Pairs answered from the cache instead."""
    ties: int = 0
    """Of ``pairs``."""
    failures: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Of ``pairs``, by the class of the reason, commonest first."""
    seconds: float = 0.0
    """Wall-clock of the calls, loading left out; what was asked at the same time within a call counts once."""
    price: float | None = None
    """Of one pair, in the pool file's unit."""
    unanswered: int = 0
    """Of ``pairs``: failed without an answer (no connection, not asked), so that nothing is to be paid."""

    @property
    def failed(self) -> int:
        """Pairs whose call failed."""
        return sum(self.failures.values())

    @property
    def cost(self) -> float | None:
        """Price of the pairs that an answer came to, be it one that could not be read."""
        return None if self.price is None else self.price * (self.pairs - self.unanswered)


class Ledger:
    """The accounts of the RMs of a pool, kept by many threads."""

    def __init__(self, rms: Iterable[str], prices: Mapping[str, float]) -> None:
        self._accounts = {rm: Account(rm, price=prices.get(rm)) for rm in rms}
        self._lock = threading.Lock()

    def asked(self, rm: str, verdicts: Sequence[Verdict], seconds: float) -> None:
        """Note a call of one RM that took so long."""
        reasons = Counter(reason_class(verdict.error) for verdict in verdicts if verdict.error is not None)
        ties = sum(verdict.winner == "tie" for verdict in verdicts)
        unanswered = sum(not verdict.answered for verdict in verdicts)
        with self._lock:
            was = self._accounts[rm]
            self._accounts[rm] = dataclasses.replace(
                was,
                calls=was.calls + 1,
                pairs=was.pairs + len(verdicts),
                ties=was.ties + ties,
                failures=_added(was.failures, reasons),
                seconds=was.seconds + seconds,
                unanswered=was.unanswered + unanswered,
            )

    def remembered(self, rm: str, pairs: int) -> None:
        """Note pairs that the cache answered."""
        with self._lock:
            was = self._accounts[rm]
            self._accounts[rm] = dataclasses.replace(was, cached=was.cached + pairs)

    def account(self, rm: str) -> Account:
        """Return one RM's account as it is now."""
        with self._lock:
            return self._accounts[rm]


def reason_class(error: str) -> str:
    """Return what kind of failure a reason tells of: the part before its first colon.

    Which response it is about, which address was asked and how often is left out.

    >>> reason_class("response B: score is not finite: nan, 0.5")
    'score is not finite'
    >>> reason_class("http://127.0.0.1:8000/score: no whole answer within 3 s, 2 times in a row")
    'no whole answer within 3 s'
    """
    kind = _WHERE.sub("", error).partition(": ")[0]
    return _TIMES.sub("", kind)[:_LONGEST].strip() or OTHER


def _added(known: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    counts = Counter(dict(known))
    for reason, count in more.items():
        counts[reason if reason in counts or len(counts) < CLASSES else OTHER] += count
    return dict(counts.most_common())
