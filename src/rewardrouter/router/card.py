"""The model card: what a router was fitted on, how well it validated, and where not to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rewardrouter.calibration.reliability import calibration_error, held_out_probabilities

if TYPE_CHECKING:
    from rewardrouter.router.facade import BayesianRouter


_ROWS = 4_000
"""Held-out pairs that the calibration errors are of at most: a router is saved in a moment."""


def model_card(router: BayesianRouter) -> str:
    """Return the card as Markdown with the front matter of the Hugging Face hub."""
    training, validation = router.training, router.training.validation
    encoder = router.config.encoder.checkpoint
    how = "frozen" if router.config.freeze_encoder else "trained with it"
    gain = validation.accuracy - validation.best_single_accuracy
    verdict = "above" if gain > 0 else "not above"
    sections = [
        "---\nlibrary_name: rewardrouter\ntags:\n- reward-model-routing\n---",
        "# Reward model router",
        f"Chooses, for a preference pair, the reward model most likely to label it right, among {len(router.arms)}:"
        f" {', '.join(router.arms)}. Encoder: {encoder} ({how}).",
        "```python\nfrom rewardrouter.router import BayesianRouter\n\n"
        'router = BayesianRouter.from_pretrained("this folder")\nrouter.rank(pairs)\n```',
        "## Training data",
        f"{training.n_pairs:,} human-labelled pairs of {training.n_groups:,} groups (problems or prompts) from"
        f" {training.source}; {training.n_disagreement:,} (pair, right RM, wrong RM) triples to learn from.",
        _table(("domain", "pairs"), sorted(training.domains.items())),
        _table(
            ("reward model", "verdicts", "ties", "failed", "accuracy"),
            [(a.name, a.observed, a.ties, a.failed, _share(a.accuracy)) for a in router.arm_records],
        ),
        *_bullets(training.report + training.cuts),
        "## Validation",
        f"Share of pairs labelled right, of those that some reward model gets right, by {validation.method}"
        f" ({validation.n_pairs:,} pairs): {validation.accuracy:.3f}, {verdict} the best single reward model,"
        f" {validation.best_single} with {validation.best_single_accuracy:.3f}. The settings"
        f" {_settings(validation.chosen)} were chosen on the same pairs, so the figure is slightly optimistic.",
        _table(
            ("domain", "pairs", "accuracy"),
            [(name, n, _share(share)) for name, (n, share) in validation.by_domain.items()],
        ),
        "## Calibration",
        *_calibration(router),
        "## Limits",
        "- It recognises kinds of pairs that it has seen. On other prompts, languages or domains than the table"
        " above shows, expect less than these figures, and compare with the best single reward model there.\n"
        "- It was fitted to these versions of the reward models and to no others.\n"
        "- It sees at most"
        f" {router.encoder.max_tokens:,} tokens of prompt and response; longer texts are cut so that the two"
        " responses still differ.\n"
        "- Being trusted more is not being right: where every reward model is wrong, so is the router.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _calibration(router: BayesianRouter) -> list[str]:
    """Return how far P(right) of every RM's verdicts holds on the held-out pairs, each by what other folds taught."""
    held_out = router.held_out.sampled(0, _ROWS)
    if not len(held_out):
        return [
            "It keeps no held-out pairs, so its verdicts are not calibrated: cascades need it fitted again."
        ]
    predicted, behaviour = held_out_probabilities(held_out), held_out.behaviour
    rows: list[tuple[object, ...]] = []
    for n, name in enumerate(router.arms):
        seen = ~np.isnan(behaviour[:, n])
        count = int(seen.sum())
        scored = bool(np.isfinite(held_out.margins[seen, n]).any())
        by = (
            "score margin and pair" if scored else "its base rate and the pair" if count else "the pair alone"
        )
        right = float(behaviour[seen, n].mean()) if count else None
        error = calibration_error(predicted[seen, n], behaviour[seen, n]) if count else None
        rows.append((name, count, _share(right), by, _share(error)))
    return [
        f"A cascade weighs verdicts by P(right), calibrated on {len(router.held_out):,} pairs that the models which"
        " scored them did not see. A reward model without scores counts by its base rate on such pairs, one without"
        " verdicts there by what is believed of it. The error (ECE) is cross-fitted"
        + (f", on {_ROWS:,} of them." if len(held_out) < len(router.held_out) else "."),
        _table(("reward model", "verdicts", "base rate", "P(right) by", "ECE"), rows),
    ]


def _settings(chosen: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in chosen.items())


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _bullets(lines: list[str]) -> list[str]:
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def _table(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: object) -> str:
    """Return a value as one cell of a table: names come from the data and may hold anything."""
    return " ".join(str(value).split()).replace("|", r"\|")
