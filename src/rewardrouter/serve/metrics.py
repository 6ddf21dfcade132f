"""What Prometheus reads at ``/metrics``.

Counts of what was routed come from the gateway's own state: they go on after a restart. Requests and their times are
those of this process.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rewardrouter.serve.gateway import Gateway

if TYPE_CHECKING:
    from rewardrouter.serve.protection import Protection

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)


class Metrics:
    """The numbers of one gateway."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "rewardrouter_requests", "Requests answered.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "rewardrouter_request_seconds",
            "Time to an answer.",
            ["path"],
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def watch(self, gateway: Gateway, protected: Protection) -> None:
        """Show a gateway's own numbers too."""
        self._registry.register(_Routed(gateway, protected))

    def text(self) -> bytes:
        """Return all numbers."""
        return generate_latest(self._registry)

    def timed(self, app: ASGIApp) -> ASGIApp:
        """Return the application, whose requests are counted by the route that they took."""

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status, begun = 500, time.perf_counter()

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noting)
            finally:
                # The route's own path: what clients ask for at random is one number, "other".
                path = getattr(scope.get("route"), "path", "other")
                self._requests.labels(path, str(status)).inc()
                self._seconds.labels(path).observe(time.perf_counter() - begun)

        return counting


class _Routed(Collector):
    """What the state counts, and what waits now."""

    def __init__(self, gateway: Gateway, protected: Protection) -> None:
        self._gateway, self._protected = gateway, protected

    def collect(self) -> Iterable[Metric]:
        worker = self._gateway.worker
        view = worker.view
        counts = view.counts
        for name, text, value in (
            ("pairs", "Pairs asked to be labelled.", counts.pairs),
            ("dropped_pairs", "Pairs without a label.", counts.dropped),
            ("outcomes", "Outcomes that were learnt from.", counts.outcomes),
            ("unanswered_prompts", "Prompts whose completions no reward model scored.", counts.unanswered),
            ("state_saves", "Times the state was saved.", worker.saves),
        ):
            yield CounterMetricFamily(f"rewardrouter_{name}", text, value=value)
        labels = CounterMetricFamily("rewardrouter_labels", "Labels, by who gave them.", labels=["rm"])
        for name, value in counts.labels.items():
            labels.add_metric([name], value)
        scores = CounterMetricFamily("rewardrouter_scores", "Completions scored.", labels=["rm"])
        for name, value in counts.scores.items():
            scores.add_metric([name], value)
        verdicts = CounterMetricFamily(
            "rewardrouter_verdicts", "Verdicts, by what came of them.", labels=["rm", "result"]
        )
        seconds = CounterMetricFamily("rewardrouter_verdict_seconds", "Time of verdicts.", labels=["rm"])
        for name, calls in counts.calls.items():
            verdicts.add_metric([name, "answer"], calls.asked - calls.failed - calls.tied)
            verdicts.add_metric([name, "tie"], calls.tied)
            verdicts.add_metric([name, "failure"], calls.failed)
            seconds.add_metric([name], calls.seconds)
        yield from (labels, scores, verdicts, seconds)
        arms = GaugeMetricFamily("rewardrouter_arm", "Reward models that may be chosen.", labels=["rm"])
        for arm in view.arms:
            arms.add_metric([arm.name], 1)
        yield arms
        if (shift := view.shift) is not None:
            yield from _gauges(
                "rewardrouter_shift",
                evidence=("Evidence that pairs have left those of the fit: a power of ten.", shift.evidence),
                fired=("1 once the evidence has ever reached its threshold.", shift.fired),
                fired_at_pair=("The number of the pair at which it did; 0 before.", shift.fired_at or 0),
            )
        refused = CounterMetricFamily(
            "rewardrouter_refused", "Requests turned away at the door.", labels=["status"]
        )
        for status, value in self._protected.refused.items():
            refused.add_metric([str(status)], value)
        yield refused
        yield GaugeMetricFamily(
            "rewardrouter_queue", "Requests that wait for the worker.", value=worker.depth
        )
        yield GaugeMetricFamily("rewardrouter_working", "Requests in work.", value=self._protected.working)
        held = self._gateway.room.held
        yield GaugeMetricFamily("rewardrouter_held_prompts", "Prompts that wait for partners.", value=held)


def _gauges(prefix: str, **given: tuple[str, float]) -> Iterable[Metric]:
    for name, (text, value) in given.items():
        yield GaugeMetricFamily(f"{prefix}_{name}", text, value=float(value))
