"""Cross-validate the offline router against baselines and ablations on one verdict table.

    python benchmarks/cross_validate.py --verdicts V --rms a,b,c [--split group|subset|domain] [--variants base,...]

Every pair is routed once by a router that saw neither it nor its group (or, with ``--split subset`` or
``domain``, nothing of its source). Beside the routers stand the baselines, a lookup by subset (which reads
what the router may not) and TF-IDF with one logistic regression per RM. Intervals are 95 % bootstraps over
groups; differences are paired. ``--json FILE|-`` writes all figures and the per-pair outcomes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from figures import add_json_option, write_figures
from rewardrouter.annotators import (
    Annotator,
    LookupAnnotator,
    MajorityAnnotator,
    OracleAnnotator,
    RandomAnnotator,
    ScoreEnsembleAnnotator,
    SingleAnnotator,
    StepContext,
    score_scales,
)
from rewardrouter.config.offline import OfflineConfig, frozen_preset, full_preset
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.offline.cache import EmbeddingCache, default_folder
from rewardrouter.offline.splits import group_folds
from rewardrouter.offline.statistics import plain
from rewardrouter.offline.validation import routed_correctly
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router import fit_router
from rewardrouter.router.arms import arms_of
from rewardrouter.simulation.bootstrap import GroupBootstrap
from rewardrouter.verdicts import VerdictTable, winner_code

Rows = npt.NDArray[np.int64]
RESAMPLES = 4_000


def changed(config: OfflineConfig, **values: object) -> OfflineConfig:
    """Return the settings with some dotted keys replaced (``features__of="prompt"``)."""
    data = config.model_dump(mode="json")
    for name, value in values.items():
        *sections, key = name.split("__")
        place = data
        for section in sections:
            place = place[section]
        place[key] = value
    return OfflineConfig.model_validate(data)


def frozen_mlp(**values: object) -> OfflineConfig:
    """Return the paper's MLP on the same frozen features; its step sizes suit a thousand pairs."""
    steps = {
        "fusion__kind": "mlp",
        "fusion__width": 256,
        "fusion__dropout": 0.3,
        "features__surrogates": False,
        "gradient__learning_rate": 1e-3,
        "gradient__weight_decay": 0.1,
        "gradient__batch_size": 32,
        "gradient__epochs": 40,
        "gradient__patience": 8,
    }
    return changed(frozen_preset(), **{**steps, **values})


VARIANTS: dict[str, Callable[[], OfflineConfig]] = {
    "base": frozen_preset,
    "without-surrogates": lambda: changed(frozen_preset(), features__surrogates=False),
    "without-statistics": lambda: changed(frozen_preset(), features__statistics=False),
    "always-trust": lambda: changed(frozen_preset(), solver__trust=[1.0]),
    "context-256": lambda: changed(frozen_preset(), encoder__max_tokens=256),
    "prompt-only": lambda: changed(frozen_preset(), features__of="prompt", features__surrogates=False),
    "last-layer-mean": lambda: changed(frozen_preset(), encoder__poolings=["all.mean@-1"]),
    "paper-features": lambda: changed(
        frozen_preset(),
        encoder__poolings=["all.mean@-1"],
        features__statistics=False,
        features__surrogates=False,
    ),
    "mlp": frozen_mlp,
    "mlp-without-cls": lambda: frozen_mlp(heads__cls_weight=0.0),
    "mlp-lambda-1": lambda: frozen_mlp(heads__cls_weight=1.0),
    "mlp-cosine": lambda: frozen_mlp(heads__normalise="cosine"),
    "mlp-256": lambda: frozen_mlp(encoder__max_tokens=256),
    "mlp-prompt-only": lambda: frozen_mlp(features__of="prompt"),
    "full-paper": full_preset,
    "full": lambda: changed(
        full_preset(),
        encoder__max_tokens=128,
        gradient__learning_rate=2e-4,
        gradient__epochs=4,
        gradient__warmup=0.1,
        gradient__batch_size=16,
    ),
}
"""Settings by name; every ablation is a value of some key."""


def options_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser of what every cross-validation is told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--verdicts", required=True)
    parser.add_argument("--rms", help="the pool; default: all")
    parser.add_argument("--split", default="group", choices=("group", "subset", "domain"))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    add_json_option(parser)
    return parser


def table_of(options: argparse.Namespace) -> VerdictTable:
    """Return the verdicts that the options name."""
    return load_verdicts(options.verdicts, options.rms.split(",") if options.rms else None).table


def parts_of(table: VerdictTable, split: str, folds: int, seed: int) -> Iterable[tuple[Rows, Rows]]:
    """Return (training rows, held-out rows) of every part."""
    if split == "group":
        part: npt.NDArray[np.generic] = group_folds(table.groups, folds, seed)
    else:
        part = np.array([str(pair.metadata.get(split, "all")) for pair in table.pairs])
    for name in np.unique(part):
        yield np.flatnonzero(part != name), np.flatnonzero(part == name)


def outcome(table: VerdictTable, annotator: Annotator) -> npt.NDArray[np.float64]:
    """Return ``[P]``: 1 where the strategy's label is the human's."""
    labels = [winner_code(a.label) for a in annotator.annotate(table.pairs, StepContext("benchmark"))]
    return (np.array(labels) == table.labels).astype(np.float64)


def by_subset(training: VerdictTable, held_out: VerdictTable) -> npt.NDArray[np.float64]:
    """Route by the source's name: an honest ceiling for recognising the source."""
    subset = np.array([str(pair.metadata.get("subset")) for pair in training.pairs])
    behaviour = np.nan_to_num(training.behaviour)
    overall = behaviour.mean(axis=0)
    scores = []
    for pair in held_out.pairs:
        rows = behaviour[subset == str(pair.metadata.get("subset"))]
        scores.append((rows.sum(axis=0) + 5 * overall) / (len(rows) + 5))
    return routed_correctly(np.array(scores), held_out.behaviour)


def word_scores(training: VerdictTable, held_out: VerdictTable) -> npt.NDArray[np.float64]:
    """TF-IDF (1,2-grams of prompt and responses), one logistic regression per RM: P(right), ``[P, N]``."""

    def texts(table: VerdictTable) -> list[str]:
        return [" ".join(plain(t) for t in (p.prompt, p.response_a, p.response_b)) for p in table.pairs]

    words = TfidfVectorizer(ngram_range=(1, 2))
    x, y = words.fit_transform(texts(training)), words.transform(texts(held_out))
    scores = np.zeros((len(held_out), len(training.rms)))
    for n in range(len(training.rms)):
        delta = training.behaviour[:, n]
        seen = ~np.isnan(delta)
        if len(set(delta[seen])) < 2:
            scores[:, n] = delta[seen].mean() if seen.any() else 0.0
            continue
        model = LogisticRegression(C=1.0, max_iter=1000).fit(x[seen], delta[seen])
        scores[:, n] = model.predict_proba(y)[:, 1]
    return scores


def baselines(
    training: VerdictTable, held_out: VerdictTable, seed: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Return every baseline's outcomes on the held-out pairs."""
    pool, arms = recorded_pool(held_out), arms_of(training)
    best = max(arms, key=lambda arm: arm.accuracy or 0.0).name
    scales = score_scales(arms)
    annotators: dict[str, Annotator] = {
        "best single (on training)": SingleAnnotator(pool, best),
        "majority, uwo": MajorityAnnotator(pool, seed),
        "mean score": ScoreEnsembleAnnotator(pool, scales),
        "random": RandomAnnotator(pool, seed),
        "lookup by domain": LookupAnnotator(pool, arms),
        "oracle": OracleAnnotator(pool, held_out),
    }
    found = {name: outcome(held_out, annotator) for name, annotator in annotators.items()}
    if any("subset" in pair.metadata for pair in training.pairs):
        found["lookup by subset"] = by_subset(training, held_out)
    found["tf-idf + logistic"] = routed_correctly(word_scores(training, held_out), held_out.behaviour)
    return found


def main() -> None:
    """Run the benchmark."""
    parser = options_parser(__doc__)
    parser.add_argument("--variants", default="base", help=f"of {', '.join(VARIANTS)}")
    parser.add_argument("--parts", type=int, help="only the first so many parts (for slow variants)")
    options = parser.parse_args()
    names = [name for name in options.variants.split(",") if name]
    table = table_of(options)
    found: dict[str, npt.NDArray[np.float64]] = {}
    seen = np.zeros(len(table), dtype=bool)
    cache = EmbeddingCache(default_folder())
    for number, (inside, outside) in enumerate(parts_of(table, options.split, options.folds, options.seed)):
        if options.parts is not None and number >= options.parts:
            break
        training, held_out = table.select(inside), table.select(outside)
        seen[outside] = True
        outcomes = baselines(training, held_out, options.seed)
        for name in names:
            started = time.monotonic()
            router = fit_router(training, changed(VARIANTS[name](), seed=options.seed), cache=cache)
            router.cache = cache
            outcomes[f"router: {name}"] = routed_correctly(router.scores(held_out.pairs), held_out.behaviour)
            print(f"part {number}: {name} fitted in {time.monotonic() - started:.0f} s", file=sys.stderr)
        for name, right in outcomes.items():
            found.setdefault(name, np.zeros(len(table)))[outside] = right
    report(table, found, seen, names, options.json)


def report(
    table: VerdictTable,
    found: dict[str, npt.NDArray[np.float64]],
    seen: npt.NDArray[np.bool_],
    names: Sequence[str],
    json_file: str | None,
) -> None:
    """Print the table, and write the figures."""
    rows = table.kept & seen
    bootstrap = GroupBootstrap(table.groups[rows], resamples=RESAMPLES)
    reference = found[f"router: {names[0]}"][rows] if names else None
    figures = {}
    for name, right in found.items():
        low, high = bootstrap.interval(right[rows])
        figures[name] = {"accuracy": float(right[rows].mean()), "interval": [low, high]}
        if reference is not None:
            difference = reference - right[rows]
            figures[name] |= {
                "router_minus_this": float(difference.mean()),
                "paired": bootstrap.interval(difference),
            }
    result = {
        "n_pairs": int(seen.sum()),
        "n_kept": int(rows.sum()),
        "rms": list(table.rms),
        "strategies": figures,
        "outcomes": {
            name: dict(zip((p.id for p in table.pairs), right.tolist(), strict=True))
            for name, right in found.items()
        },
    }
    if write_figures(result, json_file):
        return
    print(f"{result['n_pairs']} pairs, {result['n_kept']} kept, {len(table.rms)} RMs")
    for name, row in figures.items():
        line = f"{name:<32} {row['accuracy']:.4f}  [{row['interval'][0]:.3f}, {row['interval'][1]:.3f}]"
        if "paired" in row:
            low, high = row["paired"]
            line += f"   router - this {row['router_minus_this']:+.4f}  [{low:+.4f}, {high:+.4f}]"
        print(line)


if __name__ == "__main__":
    main()
