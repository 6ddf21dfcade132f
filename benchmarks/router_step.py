"""What one router step costs: choose an arm for 64 pairs, then learn from their rewards.

Run ``python benchmarks/router_step.py --json -`` (``--help`` for the rest). Compared in one run, one thread:

* ours: ``ThompsonSampler.choose`` and ``update``;
* mabwiser's LinTS: ``predict`` and ``partial_fit``, which draws the weights by a Cholesky factor and inverts a
  matrix per arm and step (2.7.4 starts from ridge I instead of I / ridge: the same at ridge 1, as here);
* naive, as the formulas stand: ``numpy.linalg.eigh`` of the covariance for every pair and arm in float64, a draw
  of the weights from it, and an inverse per arm to update. A few draws are measured and scaled to all of them;
* the dense floor: nothing but the products ``H covariance_n`` of all arms and one rank-64 update, at the speed
  at which this machine multiplies such matrices at that moment; the low-rank floor: ``H V'`` of all rows so far.

Contexts are normal with ``h'h`` about d, rewards uniform, arms before the measurement uniform, no prior (mean 0,
variance 1, noise 1): the posteriors of all three are then the same, and ``disagreement`` says how nearly.

A time is the CPU time of the process, in milliseconds: on an idle machine that is the time on the clock
(``wall_ms``), on a shared one it leaves out the waiting. Steps are timed 8 at a time, as every few steps one is
dearer, and a figure is the median of the repeats, which alternate between the rivals. ``step_ms``,
``peak_mib`` (Python's and numpy's allocations, beside the contexts) and the ratios are the worst of all levels.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import sys
import tracemalloc
from collections.abc import Iterator
from importlib.metadata import version
from unittest import mock

import numpy as np

from figures import add_json_option, write_figures
from rewardrouter.online import covariance
from rewardrouter.online.thompson import ThompsonSampler
from timing import Times

try:
    from threadpoolctl import threadpool_limits

    from router_step_rivals import Floor, Naive, lints_step, mabwiser_lints
except ModuleNotFoundError as error:
    sys.exit(f"error: the comparison needs the package {error.name}: pip install 'rewardrouter[bench]'")

PAIRS = 64
STEPS = 8
BLOCK = 128
EVER = 1e9
FORMS = {
    "adaptive": (covariance.FIRST_MERGE, covariance.NEXT_MERGE),
    "low rank": (EVER, EVER),
    "dense": (0.0, 1 / 8),
}
"""Shares of d at which rows are merged; see rewardrouter.online.covariance."""

GRID = [
    *((arms, 576, observations) for observations in (0, 640, 1_024) for arms in (4, 32, 128)),
    *((arms, 576, 3_200) for arms in (4, 32, 128)),
    (32, 576, 8_960),
    (32, 576, 32_000),
    *((arms, 1_024, 1_600) for arms in (4, 32, 128)),
    (128, 1_024, 3_200),
]
FIRST_STEPS = [(4, 576), (32, 576), (128, 1_024)]


def main() -> None:
    """Measure and print."""
    options = parse()
    with threadpool_limits(1):
        figures = measured(options)
    report(options.json, rounded(figures))


def measured(options: argparse.Namespace) -> dict[str, object]:
    """Return all figures."""
    levels = [
        level(options.arms, options.dimension, observations, options.repeats)
        for observations in options.observations
    ]
    grid = [] if options.skip_grid else [grid_entry(*size, options.repeats) for size in GRID]
    return {
        "step_ms": max(entry["step_ms"] for entry in levels),
        "peak_mib": max(entry["peak_mib"] for entry in levels),
        "ratio_mabwiser_lints": min(entry["mabwiser_ms"] / entry["step_ms"] for entry in levels),
        "ratio_naive": min(entry["naive_ms"] / entry["step_ms"] for entry in levels),
        "arms": options.arms,
        "dimension": options.dimension,
        "pairs": PAIRS,
        "threads": 1,
        "clock": "CPU time of the process",
        "repeats": options.repeats,
        "naive_note": f"{options.repeats} draws and updates per level measured, draws scaled to {PAIRS} x arms",
        "numpy": np.__version__,
        "mabwiser": version("mabwiser"),
        "levels": levels,
        "first_50_steps": [] if options.skip_grid else [first_steps(*size) for size in FIRST_STEPS],
        "grid": grid,
    }


def level(arms: int, d: int, observations: int, repeats: int) -> dict[str, float]:
    """Compare the rivals after ``observations`` rewards."""
    ours, naive, lints = (
        ThompsonSampler.without_prior(names(arms), d),
        Naive(arms, d),
        mabwiser_lints(arms, d),
    )
    for contexts, chosen, rewards in history(arms, d, observations):
        ours.update(contexts, chosen, rewards)
        naive.add(contexts, chosen, rewards)
    for contexts, chosen, rewards in history(arms, d, observations, 50 * BLOCK):
        lints.partial_fit(chosen, rewards, contexts)  # inverts at every call: so few of them
    naive.refresh()
    lints_mean = np.stack([lints._imp.arm_to_model[arm].beta for arm in range(arms)])
    disagreement = max(np.abs(mean - ours.posteriors.mean).max() for mean in (naive.mean, lints_mean))

    rng = np.random.default_rng(observations)
    floor = Floor(arms, d)
    times = {name: Times() for name in ("ours", "mabwiser", "draw", "naive update", "floor")}
    for _ in range(repeats):
        our_copy, their_copy = copy.deepcopy(ours), copy.deepcopy(lints)
        batches = [(rng.standard_normal((PAIRS, d)), rng.random(PAIRS)) for _ in range(STEPS)]
        times["ours"].measure(run, our_copy, batches, steps=STEPS)
        times["mabwiser"].measure(lints_step, their_copy, *batches[0])
        times["draw"].measure(naive.draw, rng.integers(arms), batches[0][0][0], rng)
        times["naive update"].measure(naive.refresh)
        times["floor"].measure(floor.step, batches[0][0])
    return {
        "observations": observations,
        "step_ms": times["ours"].median,
        "wall_ms": times["ours"].wall_median,
        "mabwiser_ms": times["mabwiser"].median,
        "mabwiser_wall_ms": times["mabwiser"].wall_median,
        "naive_ms": PAIRS * arms * times["draw"].median + times["naive update"].median,
        "dense_floor_ms": floor.scale * times["floor"].median,
        "peak_mib": peak_mib(arms, d, observations),
        "disagreement": float(disagreement),
    }


def grid_entry(arms: int, d: int, observations: int, repeats: int) -> dict[str, object]:
    """Measure every form of ours at one size; forms that would be far too slow or large are left out."""
    samplers = {}
    for form, shares in FORMS.items():
        if (form == "low rank" and observations > arms * d) or (form == "dense" and arms * d > 32 * 576):
            continue
        with merging_at(*shares):
            samplers[form] = built(arms, d, observations)
    rng = np.random.default_rng(observations)
    floor = Floor(arms, d)
    times = {name: Times() for name in (*samplers, "every variance", "floor", "rows")}
    rows = rng.standard_normal((min(observations, arms * d // 2), d))
    for _ in range(repeats):
        batches = [(rng.standard_normal((PAIRS, d)), rng.random(PAIRS)) for _ in range(STEPS)]
        for form, sampler in samplers.items():
            ready = copy.deepcopy(sampler)
            with merging_at(*FORMS[form]):
                times[form].measure(run, ready, batches, steps=STEPS)
        ready = copy.deepcopy(samplers["adaptive"])
        times["every variance"].measure(run_evaluating_all, ready, batches, steps=STEPS)
        times["floor"].measure(floor.step, batches[0][0])
        times["rows"].measure(np.matmul, batches[0][0], rows.T)
    return {
        "arms": arms,
        "dimension": d,
        "observations": observations,
        "step_ms": times["adaptive"].median,
        "wall_ms": times["adaptive"].wall_median,
        "peak_mib": peak_mib(arms, d, observations),
        "dense_floor_ms": floor.scale * times["floor"].median,
        "low_rank_floor_ms": times["rows"].median if observations <= arms * d // 2 else None,
        "forms_ms": {name: times[name].median for name in (*samplers, "every variance")},
    }


def first_steps(arms: int, d: int, steps: int = 50) -> dict[str, float]:
    """Return the mean cost of the first 50 steps, arms chosen as they are in use."""
    rng = np.random.default_rng(0)
    batches = [(rng.standard_normal((PAIRS, d)), rng.random(PAIRS)) for _ in range(steps)]
    times = Times()
    for _ in range(3):
        sampler = ThompsonSampler.without_prior(names(arms), d)
        times.measure(run, sampler, batches, steps=steps)
    return {
        "arms": arms,
        "dimension": d,
        "step_ms": times.median,
        "peak_mib": peak_mib(arms, d, PAIRS * steps),
    }


def run(sampler: ThompsonSampler, batches) -> None:
    for contexts, rewards in batches:
        sampler.update(contexts, sampler.choose(contexts), rewards)


def run_evaluating_all(sampler: ThompsonSampler, batches) -> None:
    for contexts, rewards in batches:
        scores = sampler.scores(contexts)
        drawn = scores.mean + sampler.deviations(len(contexts)) * np.sqrt(scores.variance)
        sampler.update(contexts, drawn.argmax(axis=1), rewards)


def history(arms: int, d: int, observations: int, block: int = BLOCK) -> Iterator[tuple]:
    """Yield contexts, arms and rewards, the same for every block size that is a multiple of the least."""
    for first in range(0, observations, block):
        parts = []
        for start in range(first, min(first + block, observations), BLOCK):
            rng, size = np.random.default_rng([1, start]), min(BLOCK, observations - start)
            parts.append((rng.standard_normal((size, d)), rng.integers(0, arms, size), rng.random(size)))
        yield tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def built(arms: int, d: int, observations: int) -> ThompsonSampler:
    sampler = ThompsonSampler.without_prior(names(arms), d)
    for batch in history(arms, d, observations):
        sampler.update(*batch)
    return sampler


def peak_mib(arms: int, d: int, observations: int) -> float:
    """Return the most memory that building the posteriors and a step after it take."""
    tracemalloc.start()
    try:
        rng = np.random.default_rng(0)
        run(built(arms, d, observations), [(rng.standard_normal((PAIRS, d)), rng.random(PAIRS))])
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def merging_at(first: float, later: float) -> contextlib.AbstractContextManager[object]:
    return mock.patch.multiple(covariance, FIRST_MERGE=first, NEXT_MERGE=later)


def names(arms: int) -> list[str]:
    return [f"arm{arm}" for arm in range(arms)]


def rounded(value: object) -> object:
    """Return the figures to four significant digits."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def report(target: str | None, figures) -> None:
    """Write one JSON object to ``target``, or a table to standard output."""
    if not write_figures(figures, target):
        for entry in figures["levels"]:
            print(
                f"{entry['observations']:7,} observations: {entry['step_ms']:6.2f} ms, mabwiser"
                f" {entry['mabwiser_ms']:7.1f}, naive {entry['naive_ms']:8.0f}, floor {entry['dense_floor_ms']:5.2f}"
            )
        print(f"worst ratios: mabwiser {figures['ratio_mabwiser_lints']}, naive {figures['ratio_naive']}")
        for entry in figures["grid"]:
            forms = ", ".join(f"{name} {time}" for name, time in entry["forms_ms"].items())
            print(
                f"{entry['arms']:4} x {entry['dimension']:4} after {entry['observations']:6,}: {forms};"
                f" floors {entry['dense_floor_ms']} / {entry['low_rank_floor_ms']}; {entry['peak_mib']} MiB"
            )


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", type=int, default=4, help="arms of the comparison (default 4)")
    parser.add_argument("--dimension", type=int, default=576, help="of the contexts (default 576)")
    parser.add_argument(
        "--observations",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[0, 6_400, 64_000],
        help="levels of the comparison (default 0,6400,64000)",
    )
    parser.add_argument("--repeats", type=int, default=7, help="measurements of each figure (default 7)")
    parser.add_argument("--skip-grid", action="store_true", help="leave out the other sizes")
    add_json_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
