"""The model card: what a router was fitted on, how well it validated, and where not to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rewardrouter.router.facade import BayesianRouter


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
