"""Reward models that judge while the next responses are sampled: one step off-policy, and nothing else changes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_online import (
    ByHash,
    Recording,
    apart,
    laser,
    log_prob,
    online,
    questions,
    router,
    rows,
    texts_of,
    tiny_run,
    weights_of,
)
from transformers import AutoTokenizer

from rewardrouter.annotators import Annotation, Outcome, StepContext
from rewardrouter.pairs import PreferencePair
from rewardrouter.training.generation import TransformersGenerator

OVERLAP = online(overlap=True)


def recorded(checkpoint: Path) -> Recording:
    return Recording(
        TransformersGenerator(AutoTokenizer.from_pretrained(checkpoint), OVERLAP.generation, seed=0)
    )


class Watching(ByHash):
    """Keeps the policy's weights before every update, which is when outcomes have not come yet."""

    def __init__(self) -> None:
        super().__init__()
        self.trainer: Any = None
        self.after: list[dict[str, torch.Tensor]] = []

    def observe(self, outcomes: Mapping[str, Outcome]) -> None:
        super().observe(outcomes)
        self.after.append(weights_of(self.trainer))


def test_responses_come_from_the_policy_before_the_last_update(tiny_llama: Path, tmp_path: Path) -> None:
    """Six steps an epoch, two epochs; an epoch's first responses are sampled when there is nothing to wait for."""
    annotator, recording = Watching(), recorded(tiny_llama)
    trainer = tiny_run(
        tiny_llama,
        tmp_path,
        annotator,
        settings=OVERLAP,
        generator=recording,
        max_steps=-1,
        num_train_epochs=2,
    )
    annotator.trainer = trainer
    weights = [weights_of(trainer)]
    trainer.train()
    weights += annotator.after  # those after n updates, by n
    assert len(weights) == 13
    assert min(apart(*pair) for pair in itertools.pairwise(weights)) > 0.0
    for step in range(1, 13):
        sampler = dict(recording.models[step].named_parameters())
        updates = step - 1 if step in (1, 7) else step - 2
        assert apart(weights[updates], sampler) == 0.0, step
    # The losses are those of the policy that is trained, not of the one that sampled.
    trained = recording.models[4]  # has seen two updates, as the policy in the third step
    pair = annotator.seen[2][0]
    texts = texts_of(recording, 3, pair.id, annotator.labels[f"step-3/{pair.id}"])
    ratios = [
        log_prob(trained, texts.prompt, ids) - log_prob(recording.models[1], texts.prompt, ids)
        for ids in (texts.chosen, texts.rejected)
    ]
    assert annotator.outcomes[f"step-3/{pair.id}"].margin == pytest.approx(
        0.5 * (ratios[0] - ratios[1]), abs=1e-5
    )


@pytest.mark.parametrize("made", [router, laser, ByHash])
def test_as_many_pairs_and_steps_as_without(tiny_llama: Path, tmp_path: Path, made: Any) -> None:
    found = {}
    for name, settings in (("with", OVERLAP), ("without", online())):
        tiny_run(
            tiny_llama,
            tmp_path / name,
            made(),
            settings=settings,
            prompts=questions(9),
            max_steps=-1,
            num_train_epochs=2,
        ).train()
        found[name] = rows(tmp_path / name / "decisions.jsonl")
    assert [row["step"] for row in rows(tmp_path / "with" / "metrics.jsonl")] == [1, 2, 3, 4]
    prompts = [[(row["step"], row["prompt"]) for row in found[name]] for name in found]
    assert {*prompts[0]} == {*prompts[1]}
    first = [[row for row in found[name] if row["step"] == 1] for name in found]
    assert first[0] == first[1]
    assert found["with"] != found["without"]


def test_the_annotator_works_while_the_next_responses_are_sampled(tiny_llama: Path, tmp_path: Path) -> None:
    """Each waits for the other: one after the other would wait for ever."""
    meeting = threading.Barrier(2, timeout=20)

    class Meeting(ByHash):
        def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
            if step.step < 3:
                meeting.wait()
            return super().annotate(pairs, step)

    class Asked(Recording):
        def generate(self, model: Any, prompts: Any, *, step: int) -> Any:
            if step > 1:
                meeting.wait()
            return super().generate(model, prompts, step=step)

    generator = Asked(recorded(tiny_llama)._generator)
    tiny_run(tiny_llama, tmp_path, Meeting(), settings=OVERLAP, generator=generator).train()
    assert len(rows(tmp_path / "metrics.jsonl")) == 3


def test_an_error_of_the_annotator_comes_out(tiny_llama: Path, tmp_path: Path) -> None:
    class Breaking(ByHash):
        def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
            raise OSError("the reward model is gone")

    with pytest.raises(OSError, match="the reward model is gone"):
        tiny_run(tiny_llama, tmp_path, Breaking(), settings=OVERLAP).train()
