"""Plausible results of online DPO runs, made up: for the tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardrouter.training.results import LearningCurve, Measured, TrainingFigures, TrainingResults

RMS = ("ash", "birch", "cedar", "elm")
DOMAINS = ("sorting", "numerals", "translation")
WINDOWS = 20
PHASES = {"route": 0.011, "generate": 0.41, "encode": 0.052, "judge": 0.13, "update": 0.52, "observe": 0.004}

AFTER = {
    "router": 0.79,
    "laser": 0.752,
    "random": 0.743,
    "single/ash": 0.761,
    "majority": 0.784,
    "oracle": 0.853,
}
"""Each strategy's verified accuracy after training; before it is 0.712."""

ROUTED = ("router", "laser", "random")


def measured(mean: float, difference: float | None, half: float = 0.012) -> Measured:
    """Return a figure whose intervals reach ``half`` to either side."""
    return Measured(
        mean=mean,
        interval=(mean - half, mean + half),
        difference=difference,
        difference_interval=None if difference is None else (difference - half, difference + half),
    )


def training_results(
    strategies: Sequence[str] = tuple(AFTER),
    *,
    rms: Sequence[str] = RMS,
    seeds: int = 5,
    domains: Sequence[str] = DOMAINS,
    windows: int = WINDOWS,
    has_verifier: bool = True,
    has_evaluation: bool = True,
) -> TrainingResults:
    """Return a run of known or other strategies; the first is the reference. No verifier, no evaluation either."""
    random = np.random.default_rng(0)
    has_evaluation = has_evaluation and has_verifier
    given = domains if has_evaluation else ()
    return TrainingResults(
        policy="an-organisation/a-policy",
        steps=200,
        prompts_per_step=16,
        seeds=list(range(seeds)),
        reference=strategies[0],
        accuracy_before=0.712 if has_evaluation else None,
        by_domain_before={domain: 0.7 + 0.01 * i for i, domain in enumerate(given)},
        evaluation_prompts=1200 if has_evaluation else 0,
        strategies={
            name: TrainingFigures(
                accuracy=_against(name, strategies[0]) if has_evaluation else None,
                by_domain={domain: _after(name) - 0.05 * i for i, domain in enumerate(given)},
                annotation_accuracy=_labels(name, strategies[0], seeds) if has_verifier else None,
                calls=0.0 if name == "oracle" else 12_800.0 * (len(rms) if name == "majority" else 1),
                calls_per_pair=0.0 if name == "oracle" else float(len(rms) if name == "majority" else 1),
                failed_calls=128 if name == "laser" else 0,
                labelled_share=0.62 if name == "oracle" else 0.998,
                wall_seconds=754.4 + 100 * number,
                seconds={phase: 0.0 if name == "oracle" and phase == "judge" else 1.1**number * seconds
                         for phase, seconds in PHASES.items()},
                curve=_curve(random, name, rms, windows, has_verifier),
            )
            for number, name in enumerate(strategies)
        },
    )  # fmt: skip


def _labels(name: str, reference: str, seeds: int) -> Measured:
    """Return the share of right labels; one seed says nothing of an interval."""
    found = _against(name, reference, 0.1)
    return found if seeds > 1 else found.model_copy(update={"interval": None, "difference_interval": None})


def changed(results: TrainingResults, strategy: str, **fields: object) -> TrainingResults:
    """Return the results with other figures of one strategy."""
    figures = results.strategies[strategy].model_copy(update=fields)
    return results.model_copy(update={"strategies": {**results.strategies, strategy: figures}})


def changed_curve(results: TrainingResults, strategy: str, **fields: object) -> TrainingResults:
    """Return the results with another learning curve of one strategy."""
    curve = results.strategies[strategy].curve.model_copy(update=fields)
    return changed(results, strategy, curve=curve)


def _after(name: str) -> float:
    return AFTER.get(name, 0.75)


def _against(name: str, reference: str, more: float = 0.0) -> Measured:
    return measured(_after(name) + more, None if name == reference else _after(name) - _after(reference))


def _curve(
    random: np.random.Generator, name: str, rms: Sequence[str], windows: int, has_verifier: bool
) -> LearningCurve:
    progress = np.linspace(0, 1, windows)
    asked: Sequence[str] = rms if name in ROUTED else (name.removeprefix("single/"),) if "/" in name else ()
    weights = np.exp(np.array([-0.3 * i * (0.4 + progress) for i in range(len(asked))])).reshape(-1, windows)
    right = 0.65 + (_after(name) - 0.7) * progress + random.normal(0, 0.01, windows)
    labels = min(_after(name) + 0.1, 1.0) - 0.05 * progress

    def known(values: np.ndarray) -> list[float | None]:
        return [float(value) if has_verifier else None for value in values]

    def with_gap(values: np.ndarray) -> list[float | None]:
        """Without the third window, in which the RM was not asked."""
        return [None if i == 2 else float(value) for i, value in enumerate(values)]

    return LearningCurve(
        steps=[round((i + 1) * 200 / windows) for i in range(windows)],
        right=known(right),
        annotation_accuracy=known(labels),
        loss=[float(value) for value in 0.69 - 0.1 * progress],
        arm_share={rm: row.tolist() for rm, row in zip(asked, weights / weights.sum(axis=0), strict=True)},
        score_drift={rm: with_gap(progress * (0.4 - 0.3 * i)) for i, rm in enumerate(asked)},
        agreement={rm: with_gap(0.5 + 0.1 * progress) for rm in asked},
        shift_evidence=[float(value) for value in 5 * progress - 0.3]
        if name in ROUTED
        else [None] * len(progress),
    )
