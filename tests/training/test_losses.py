"""What a pair cost, as the annotator is told, against a computation of each response by itself."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tiny_online import ByHash, Recording, log_prob, online, texts_of, tiny_run
from transformers import AutoTokenizer

from rewardrouter.config.policy import LossKind
from rewardrouter.training import losses as training_losses
from rewardrouter.training.generation import TransformersGenerator

BETA = 0.1


def losses(kind: LossKind, chosen: float, rejected: float, lengths: tuple[int, int]) -> float:
    """The loss as its paper has it, of the log-ratios of both responses (DPO eq. 7, SLiC, IPO per token)."""
    if kind == "sigmoid":
        return -math.log(1 / (1 + math.exp(-BETA * (chosen - rejected))))
    if kind == "hinge":
        return max(0.0, 1 - BETA * (chosen - rejected))
    return (chosen / lengths[0] - rejected / lengths[1] - 1 / (2 * BETA)) ** 2


@pytest.mark.parametrize("kind", ["sigmoid", "hinge", "ipo"])
@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_outcomes_equal_a_computation_of_each_response_alone(
    tiny_llama: Path, tmp_path: Path, kind: LossKind, adapter: bool
) -> None:
    annotator, settings = ByHash(), online()
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    recording = Recording(TransformersGenerator(tokenizer, settings.generation, seed=0))
    run = tiny_run(
        tiny_llama,
        tmp_path,
        annotator,
        settings=settings,
        adapter=adapter,
        generator=recording,
        loss_type=kind,
        beta=BETA,
        learning_rate=1e-2 if adapter else 1e-3,
        gradient_accumulation_steps=2,
        per_device_train_batch_size=2,
    )
    run.train()
    reference = recording.models[1]
    assert len(annotator.told) == 3
    for step, (pairs, told) in enumerate(zip(annotator.seen, annotator.told, strict=True), start=1):
        assert len(told) == len(pairs) == 12
        moved = 0.0
        for pair in pairs:
            name = f"step-{step}/{pair.id}"
            texts = texts_of(recording, step, pair.id, annotator.labels[name])
            ratios = [
                log_prob(recording.models[step], texts.prompt, ids) - log_prob(reference, texts.prompt, ids)
                for ids in (texts.chosen, texts.rejected)
            ]
            lengths = len(texts.chosen), len(texts.rejected)
            outcome = told[name]
            assert outcome.margin == pytest.approx(BETA * (ratios[0] - ratios[1]), abs=1e-6)
            assert outcome.loss == pytest.approx(losses(kind, *ratios, lengths), rel=1e-6, abs=1e-6)
            assert outcome.swapped_loss == pytest.approx(
                losses(kind, *ratios[::-1], lengths[::-1]), rel=1e-6, abs=1e-6
            )
            moved = max(moved, abs(outcome.margin))
        if step == 1:
            assert moved == 0.0, "before the first update policy and reference are one"
        else:
            assert moved > 1e-3


@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_an_output_layer_that_never_holds_all_logits_costs_the_same(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapter: bool
) -> None:
    if not training_losses._CAN_FUSE:
        pytest.skip("this TRL has no such layer")
    told = []
    for many in (training_losses.MANY_LOGITS, 0):
        monkeypatch.setattr(training_losses, "MANY_LOGITS", many)
        annotator = ByHash()
        run = tiny_run(tiny_llama, tmp_path / str(many), annotator, adapter=adapter, learning_rate=1e-3)
        run.train()
        told.append([outcome for step in annotator.told for outcome in step.values()])
    plain, fused = told
    assert len(plain) == len(fused) > 0
    for one, other in zip(plain, fused, strict=True):
        assert other.loss == pytest.approx(one.loss, abs=1e-4)
        assert other.margin == pytest.approx(one.margin, abs=1e-4)
    assert any(one.margin != other.margin for one, other in zip(plain, fused, strict=True)), "it was not used"
