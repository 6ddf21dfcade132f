"""The sandbox's README and its record: what the models are, and how good they turned out to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.config.sandbox import SandboxConfig
from rewardrouter.datasets.pairs import load_pairs
from rewardrouter.files import write_text_atomically
from rewardrouter.sandbox.layout import PAIR_PARTS, Sandbox
from rewardrouter.sandbox.measuring import manners_of, measured, shares
from rewardrouter.sandbox.samples import Sample, pair_rows, read_samples
from rewardrouter.sandbox.specialities import SPECIALITIES
from rewardrouter.sandbox.tasks import KINDS

_HEAD = """# rewardrouter sandbox

Small but real models, trained on the spot on text tasks whose answers can be checked: a policy (`policy/`), {rms}
reward models (`rms/`, named in `pool.yaml`), preference pairs whose labels are true (`pairs/`) and prompts with their
answers (`prompts/`). No problem stands in two parts. Figures are measured on the {pairs:,} pairs of the evaluation;
nothing was drawn from a table: the reward models err because they are small, and where they have seen nothing.
"""


def write_card(config: SandboxConfig, sandbox: Sandbox) -> None:
    """Write README and record; with the record, the sandbox is finished."""
    figures = _figures(config, sandbox)
    text = _text(figures)
    write_text_atomically(sandbox.card, text)
    record = json.dumps({"settings": config.model_dump(mode="json"), **figures}, indent=2) + "\n"
    path = sandbox.folder / "sandbox.json"
    write_text_atomically(path, record)


def _figures(config: SandboxConfig, sandbox: Sandbox) -> dict[str, Any]:
    evaluation, right = load_pairs(sandbox.pairs("evaluation")), measured(sandbox)
    by_kind = shares(right, [pair.domain for pair in evaluation.pairs])
    best = np.array([by_kind[pair.domain].max() for pair in evaluation.pairs])
    samples = {
        part: [s for path in sandbox.all_samples(part) for s in read_samples(path)] for part in PAIR_PARTS
    }
    made = {
        part: pair_rows(samples[part], config.samples.pairs_per_problem, config.seed) for part in PAIR_PARTS
    }
    return {
        "policy": _policy(samples["evaluation"]),
        "pairs": {
            part: {
                "pairs": len(rows.rows),
                "problems": rows.problems,
                "never right": rows.never_right,
                "never wrong": rows.never_wrong,
            }
            for part, rows in made.items()
        },
        "rms": {
            name: {
                "accuracy": float(right[:, n].mean()),
                "by kind": _column(by_kind, n),
                "by manner": _column(shares(right, manners_of(evaluation)), n),
                "by difficulty": _column(
                    shares(right, [str(p.metadata["difficulty"]) for p in evaluation.pairs]), n
                ),
            }
            for n, name in enumerate(sandbox.rms)
        },
        "best single": float(right.mean(axis=0).max()),
        "best for each kind": float(best.mean()),
        "some reward model right": float(right.max(axis=1).mean()),
    }


def _policy(samples: list[Sample]) -> dict[str, float]:
    every = np.array([[sample.share_right] for sample in samples])
    by_kind = shares(every, [sample.problem.kind.name for sample in samples])
    return {"all": float(every.mean()), **_column(by_kind, 0)}


def _column(found: Mapping[str, npt.NDArray[np.float64]], column: int) -> dict[str, float]:
    return {name: float(values[column]) for name, values in sorted(found.items())}


def _text(figures: dict[str, Any]) -> str:
    rms = figures["rms"]
    lines = [_HEAD.format(rms=len(rms), pairs=figures["pairs"]["evaluation"]["pairs"])]
    lines += ["## The policy: share of right responses", ""]
    lines += _table(["", "all", *KINDS], [["policy", *_cells(figures["policy"], ["all", *KINDS])]])
    lines += ["## The reward models: share of pairs judged rightly", ""]
    lines += _table(
        ["", "all", *KINDS],
        [[n, _share(r["accuracy"]), *_cells(r["by kind"], [*KINDS])] for n, r in rms.items()],
    )
    best = [
        f"{figures[name]:.1%} {name}"
        for name in ("best single", "best for each kind", "some reward model right")
    ]
    lines += [f"{'; '.join(best)}.", ""]
    for by in ("by manner", "by difficulty"):
        columns = sorted({column for rm in rms.values() for column in rm[by]})
        lines += [f"### {by.capitalize()}", ""]
        lines += _table(["", *columns], [[name, *_cells(rm[by], columns)] for name, rm in rms.items()])
    lines += ["## What they are trained on", ""]
    seen = [[s.name, ", ".join(s.kinds), ", ".join(s.manners), str(s.more_layers)] for s in SPECIALITIES]
    lines += _table(["", "kinds", "manners of answering", "layers beyond the policy's"], seen)
    lines += ["## Pairs", ""]
    columns = ["pairs", "problems", "never right", "never wrong"]
    counts = [[part, *(f"{row[column]:,}" for column in columns)] for part, row in figures["pairs"].items()]
    lines += _table(["", *columns], counts)
    return "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]] + [""]


def _cells(row: Mapping[str, float], columns: list[str]) -> list[str]:
    return [_share(row[column]) if column in row else "-" for column in columns]


def _share(value: float) -> str:
    return f"{value:.3f}"
