"""What the sandbox's reward models are good for: how often each is right, and what routing makes of them.

    python benchmarks/sandbox.py --out DIR [--seed S] [--json FILE|-] [--processes P]

Builds the sandbox (or takes it from DIR), has every reward model judge the pairs for the router and those of the
evaluation with ``collect``, fits routers on the former (``fit --freeze-encoder``: on pair features, and on the
prompt alone) and measures them on the latter beside every single reward model, the best one on the fitting pairs,
lookup by kind, majority and the oracle. Accuracy is over all pairs. Intervals are 95 % bootstraps over problems;
differences are paired.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from figures import add_json_option, write_figures
from rewardrouter.annotators import (
    Annotator,
    LookupAnnotator,
    MajorityAnnotator,
    RandomAnnotator,
    StepContext,
)
from rewardrouter.cli.main import main as rewardrouter
from rewardrouter.config.offline import OfflineConfig, frozen_preset
from rewardrouter.config.sandbox import SandboxConfig
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.offline.validation import routed_correctly
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router import fit_router
from rewardrouter.router.arms import arms_of
from rewardrouter.sandbox import Sandbox, build_sandbox
from rewardrouter.simulation.bootstrap import GroupBootstrap
from rewardrouter.verdicts import VerdictTable, winner_code

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--config", type=Path, help="settings of the sandbox, JSON")
    add_json_option(parser)
    given = parser.parse_args()
    settings = json.loads(given.config.read_text()) if given.config else {}
    config = SandboxConfig.model_validate({"seed": given.seed, **settings})
    sandbox = build_sandbox(config, given.out / "sandbox", processes=given.processes)
    training, held_out = (verdicts(sandbox, given.out, part) for part in ("router", "evaluation"))
    found = outcomes(training, held_out, EmbeddingCache(given.out / "embeddings"), given.seed)
    figures = measured(held_out, found)
    result = {"sandbox": sandbox.record, "n_pairs": len(held_out), "strategies": figures}
    if write_figures(result, given.json):
        return
    print(sandbox.card.read_text(encoding="utf-8"))
    print(f"{len(training):,} pairs for fitting, {len(held_out):,} of the evaluation\n")
    for name, row in figures.items():
        line = f"{name:<28} {row['accuracy']:.4f}  [{row['interval'][0]:.3f}, {row['interval'][1]:.3f}]"
        low, high = row["paired"]
        print(f"{line}   router - this {row['router_minus_this']:+.4f}  [{low:+.4f}, {high:+.4f}]")


def verdicts(sandbox: Sandbox, folder: Path, part: str) -> VerdictTable:
    """Return what every reward model says of the pairs of a part."""
    out = folder / "verdicts" / sandbox.folder.name / part
    words = ["collect", "--pairs", str(sandbox.pairs(part)), "--pool", str(sandbox.pool), "--out", str(out)]
    assert rewardrouter(words) == 0
    return load_verdicts(out).table


def outcomes(
    training: VerdictTable, held_out: VerdictTable, cache: EmbeddingCache, seed: int
) -> dict[str, Floats]:
    """Return ``[P]`` of every strategy: 1 where its label is the true one."""
    pool, arms = recorded_pool(held_out), arms_of(training)
    right = np.nan_to_num(held_out.behaviour)
    found: dict[str, Floats] = {}
    for name, config in routers(seed).items():
        router = fit_router(training, config, cache=cache)
        router.cache = cache
        found[name] = routed_correctly(router.scores(held_out.pairs), held_out.behaviour)
    annotators: dict[str, Annotator] = {
        "lookup by kind": LookupAnnotator(pool, arms),
        "majority": MajorityAnnotator(pool, seed),
        "random": RandomAnnotator(pool, seed),
    }
    for name, annotator in annotators.items():
        labels = [winner_code(a.label) for a in annotator.annotate(held_out.pairs, StepContext("benchmark"))]
        found[name] = (np.array(labels) == held_out.labels).astype(np.float64)
    best = max(range(len(arms)), key=lambda n: arms[n].accuracy or 0.0)
    found["best single (on fitting pairs)"] = right[:, best]
    found |= {f"single {rm}": right[:, n] for n, rm in enumerate(held_out.rms)}
    by_kind = np.zeros(len(held_out))
    for kind in np.unique(held_out.domains):
        rows = held_out.domains == kind
        by_kind[rows] = right[rows, right[rows].mean(axis=0).argmax()]
    return found | {"per-kind oracle": by_kind, "oracle": right.max(axis=1)}


def routers(seed: int) -> dict[str, OfflineConfig]:
    """Return the settings of the routers; the first is the one that all others are compared with."""
    pair = frozen_preset().model_copy(update={"seed": seed})
    prompt = pair.features.model_copy(update={"of": "prompt", "surrogates": False})
    plain = pair.features.model_copy(update={"surrogates": False})
    return {
        "router": pair,
        "router, no surrogates": pair.model_copy(update={"features": plain}),
        "router, prompt only": pair.model_copy(update={"features": prompt}),
    }


def measured(table: VerdictTable, found: dict[str, Floats]) -> dict[str, dict[str, object]]:
    """Return accuracy with its interval, and the first strategy's difference to each."""
    bootstrap = GroupBootstrap(table.groups)
    reference = next(iter(found.values()))
    return {
        name: {
            "accuracy": float(right.mean()),
            "interval": bootstrap.interval(right),
            "router_minus_this": float((reference - right).mean()),
            "paired": bootstrap.interval(reference - right),
            "by_kind": {str(k): float(right[table.domains == k].mean()) for k in np.unique(table.domains)},
        }
        for name, right in found.items()
    }


if __name__ == "__main__":
    main()
