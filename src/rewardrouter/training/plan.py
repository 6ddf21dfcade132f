"""What a run would do, before it does it: everything is loaded, nothing is trained."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

from rewardrouter.annotators.cascade import CascadeAnnotator
from rewardrouter.config.cascade import CascadeSettings
from rewardrouter.config.strategies import LightAdvantageSettings
from rewardrouter.config.train import TrainConfig
from rewardrouter.simulation.asked import settings_of
from rewardrouter.simulation.learning import LEARNING
from rewardrouter.training.assembly import Run, assemble
from rewardrouter.training.memory import estimate_memory
from rewardrouter.training.runs import evaluation_prompts, quiet_libraries

_ASK_ALL = ("majority", "uwo", "mean-score", "lower-confidence-bound", "full-advantage")
"""Strategies that ask every reward model about every pair."""


def plan(config: TrainConfig, folder: Path | None) -> list[str]:
    """Return the plan of a run, a line each.

    Raises
    ------
    UserError
        As :func:`rewardrouter.training.assembly.assemble`.
    """
    # The loop makes its folder when it is made; this run is not to begin.
    with tempfile.TemporaryDirectory() as scratch, quiet_libraries():
        made = assemble(config, Path(scratch))
    made.close()
    trainer, generation = made.trainer, config.generation
    k, prompts = generation.responses, config.prompts_per_step
    most = k * (k - 1) // 2
    per_prompt = most if config.pairs.rule == "all" else config.pairs.per_prompt
    usable = len(trainer.prompts.prompts)
    parts = config.microbatches * trainer.accelerator.num_processes
    memory = estimate_memory(trainer, -(-prompts * per_prompt // parts))
    steps = config.steps or config.epochs * (usable // prompts)
    lines = [
        f"Policy      {config.policy.checkpoint}: {_count(_parameters(made))} parameters, {_trained(config, made)}",
        f"Reference   {'the policy without its adapter' if config.policy.tuning == 'lora' else 'a frozen copy'}",
        f"Prompts     {config.prompts.source}: {usable:,} usable, {len(trainer.prompts.over_limit):,} over"
        f" {config.prompts.max_tokens} tokens ({'left out' if config.prompts.over_limit == 'drop' else 'cut'})",
        f"Step        {prompts} prompts x {k} responses of at most {generation.max_new_tokens} tokens at T"
        f" {generation.temperature:g}, up to {prompts * per_prompt} pairs ({config.pairs.rule}), in"
        f" {config.microbatches} micro-batches, {trainer.accelerator.num_processes} processes ({trainer.args.device})",
        f"Steps       {steps:,}, a checkpoint every {config.save_every}",
        f"Labels      {config.annotator.strategy}: {_calls(config, made, prompts * per_prompt)}",
        f"Memory      {memory.line()}",
        f"Run         {folder or 'no --out is given'}",
    ]
    if config.evaluation is not None:
        asked = evaluation_prompts(config, config.evaluation, trainer.processing_class)
        lines.insert(
            -1, f"Evaluation  {len(asked):,} prompts before and after, verified by {config.verifier}"
        )
    return lines


def _parameters(made: Run) -> int:
    return sum(parameter.numel() for parameter in made.trainer.model.parameters())


def _trained(config: TrainConfig, made: Run) -> str:
    trained = sum(p.numel() for p in made.trainer.model.parameters() if p.requires_grad)
    how = f"LoRA of rank {config.policy.lora.rank}" if config.policy.tuning == "lora" else "all"
    return f"{_count(trained)} of them trained ({how}), {config.policy.loss}, beta {config.policy.beta:g}"


def _calls(config: TrainConfig, made: Run, pairs: int) -> str:
    """Return how many calls of reward models a step is expected to make, and how many it makes at most."""
    if made.router is None or made.annotator is None:
        return "as the first process decides"
    per_pair, why = _calls_per_pair(config, made)
    if not per_pair.most:
        return "no reward model is asked"
    return (
        f"{why}; {pairs * per_pair.expected:,.0f} calls of reward models per step expected, at most"
        f" {pairs * per_pair.most:,}"
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _CallsPerPair:
    expected: float
    most: int


def _calls_per_pair(config: TrainConfig, made: Run) -> tuple[_CallsPerPair, str]:
    """Return the calls on a pair, and why they are so many."""
    assert made.router is not None  # noqa: S101 (its caller has looked)
    text, n = config.annotator.strategy, len(made.router.arms)
    name = text.partition(":")[0].partition("@")[0]
    plan = made.annotator.plan if isinstance(made.annotator, CascadeAnnotator) else None
    if name == "oracle":
        return _CallsPerPair(0, 0), ""
    if name.startswith("single/"):
        return _CallsPerPair(1, 1), "one reward model on every pair"
    if name in _ASK_ALL:
        return _CallsPerPair(n, n), f"all {n} reward models on every pair"
    if plan is not None:
        counted = settings_of(CascadeSettings, text).unit == "call"
        found = f"{plan.cost:.2f} on the router's held-out pairs" if counted else "as its budget allows"
        if plan.alone:
            found += ", where the router's one reward model is right most often"
        return _CallsPerPair(plan.cost if counted else 1.0, n), f"one to {n} reward models on a pair, {found}"
    settings = settings_of(LEARNING[name][0], text) if name in LEARNING else None
    if isinstance(settings, LightAdvantageSettings):
        asked = settings.size + 1 - settings.size / n
        return _CallsPerPair(asked, n), f"{settings.size} of {n} reward models on a pair, and the chosen one"
    observed = () if settings is None else str(getattr(settings, "reward", "")).split("+")
    shares = {"gold": "audit", "probe": "probes"}
    more = sum(float(getattr(settings, field)) for kind, field in shares.items() if kind in observed)
    extra = f", all on {more:.3g} of them" if more else ""
    why = f"one of {n} reward models on a pair{extra}, the next where it fails or ties"
    return _CallsPerPair(1 + more * (n - 1), n), why


def _count(number: int) -> str:
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
