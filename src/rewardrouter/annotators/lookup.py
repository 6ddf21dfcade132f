"""Lookup by domain: each pair to the RM that was best in its domain on the training data.

The trivial router: no text is read, the source names the domain. A clever router
that does not beat it has learnt nothing but the domain. Shares are shrunk to the
RM's overall accuracy, so that a domain with few training pairs says little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rewardrouter.annotators.base import Annotation, Stateless, StepContext
from rewardrouter.annotators.calling import call_in_order
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool

if TYPE_CHECKING:  # the router needs torch; whoever passes its arms has imported it
    from rewardrouter.router import Arm

_SHRINKAGE = 5.0
"""Pairs of overall accuracy that are added to every domain's own."""


class LookupAnnotator(Stateless):
    """Routes by ``(right + k * overall) / (observed + k)`` of the pair's domain, k = 5.

    A domain unknown to the training data gets the overall order.
    """

    def __init__(self, pool: RewardModelPool, arms: Sequence[Arm]) -> None:
        self._pool = pool.select([arm.name for arm in arms])
        domains = {domain for arm in arms for domain in arm.by_domain}
        self._orders: Mapping[str, list[str]] = {domain: _order(arms, domain) for domain in domains}
        self._overall = _order(arms, None)

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the labels of the domains' best RMs, failing over along each domain's order."""
        orders = [self._orders.get(pair.domain, self._overall) for pair in pairs]
        return call_in_order(self._pool, pairs, orders, step)


def _order(arms: Sequence[Arm], domain: str | None) -> list[str]:
    def share(arm: Arm) -> float:
        overall = arm.accuracy or 0.0
        observed, right = arm.by_domain.get(domain, (0, 0)) if domain is not None else (0, 0)
        return (right + _SHRINKAGE * overall) / (observed + _SHRINKAGE)

    return [arm.name for arm in sorted(arms, key=share, reverse=True)]
