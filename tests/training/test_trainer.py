"""Its update is TRL's and that of one large batch; what has no label is neither trained on nor learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model
from text_rewards import TextScorer, hashed
from tiny_online import (
    ByHash,
    Recording,
    alone,
    apart,
    arguments,
    load_policy,
    log_prob,
    lora,
    online,
    questions,
    router,
    rows,
    texts_of,
    tiny_run,
    weights_of,
)
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOTrainer

from rewardrouter.annotators import Annotation, Outcome, SingleAnnotator, StepContext
from rewardrouter.errors import ConfigError, OutageError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.training.generation import TransformersGenerator
from rewardrouter.training.trainer import RoutedDPOTrainer

BETA = 0.1


def recorded(checkpoint: Path, **settings: Any) -> Recording:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    return Recording(TransformersGenerator(tokenizer, online(**settings).generation, seed=0))


class GivenTokens(DPOTrainer):
    """TRL's own trainer on pairs that are token ids already."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any) -> Dataset:
        return dataset


@pytest.mark.parametrize("kind", ["sigmoid", "hinge", "ipo"])
@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_a_step_is_trls_on_the_same_pairs(tiny_llama: Path, tmp_path: Path, kind: str, adapter: bool) -> None:
    # SGD: an update that shows a gradient's size, not only its sign.
    settings = {"loss_type": kind, "max_steps": 1, "optim": "sgd", "max_grad_norm": 0.0, "learning_rate": 0.1}
    annotator, recording = ByHash(), recorded(tiny_llama)
    trainer = tiny_run(
        tiny_llama, tmp_path / "ours", annotator, adapter=adapter, generator=recording, **settings
    )
    before = weights_of(trainer)
    trainer.train()

    pairs = [
        texts_of(recording, 1, pair.id, annotator.labels[f"step-1/{pair.id}"]) for pair in annotator.seen[0]
    ]
    columns = ("prompt", "chosen", "rejected")
    trls = GivenTokens(
        model=load_policy(tiny_llama),
        ref_model=None if adapter else load_policy(tiny_llama),
        args=arguments(
            tmp_path / "trl", per_device_train_batch_size=len(pairs), remove_unused_columns=False, **settings
        ),
        train_dataset=Dataset.from_dict(
            {f"{name}_ids": [getattr(pair, name) for pair in pairs] for name in columns}
        ),
        processing_class=AutoTokenizer.from_pretrained(tiny_llama),
        peft_config=lora() if adapter else None,
    )
    assert apart(before, weights_of(trls)) == 0.0
    trls.train()
    assert apart(weights_of(trainer), weights_of(trls)) < 1e-6
    assert apart(weights_of(trainer), before) > 1e-3


def trained(checkpoint: Path, out: Path, annotator: Any, parts: int, **settings: Any) -> RoutedDPOTrainer:
    settings = {"optim": "sgd", "max_grad_norm": 0.0, "learning_rate": 0.05, "beta": BETA, **settings}
    trainer = tiny_run(
        checkpoint,
        out,
        annotator,
        per_device_train_batch_size=4 // parts,
        gradient_accumulation_steps=parts,
        **settings,
    )
    trainer.train()
    return trainer


@pytest.mark.parametrize(
    "odd", [{}, {"dropping": True}, {"weighing": True}, {"dropping": True, "weighing": True}]
)
def test_accumulation_gives_the_step_of_one_large_batch(
    tiny_llama: Path, tmp_path: Path, odd: dict[str, bool]
) -> None:
    annotators = {parts: ByHash(**odd) for parts in (1, 2, 4)}
    found = {
        parts: weights_of(trained(tiny_llama, tmp_path / str(parts), annotator, parts))
        for parts, annotator in annotators.items()
    }
    decisions = {parts: rows(tmp_path / str(parts) / "decisions.jsonl") for parts in annotators}
    for parts in (2, 4):
        assert apart(found[parts], found[1]) < 1e-6
        assert annotators[parts].seen == annotators[1].seen
        for mine, other in zip(decisions[parts], decisions[1], strict=True):
            for number in ("loss", "swapped_loss", "margin"):
                assert mine.pop(number) == pytest.approx(other[number], abs=3e-6)
            assert mine.items() <= other.items()


def test_accumulation_with_adam_clipping_and_fewer_pairs_than_parts(tiny_llama: Path, tmp_path: Path) -> None:
    """One prompt in four gives a pair: most micro-batches are empty."""

    class FirstPairOnly(ByHash):
        def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
            first, *others = super().annotate(pairs, step)
            return [first] + [
                Annotation(one.decision_id, one.pair_id, None, (), reason="not asked") for one in others
            ]

    found = {
        parts: weights_of(
            trained(
                tiny_llama,
                tmp_path / str(parts),
                FirstPairOnly(),
                parts,
                optim="adamw_torch",
                max_grad_norm=1.0,
                learning_rate=1e-4,
            )
        )
        for parts in (1, 4)
    }
    assert apart(found[1], found[4]) < 1e-6
    for parts in (1, 4):
        steps = rows(tmp_path / str(parts) / "metrics.jsonl")
        assert [(step["labelled"], step["dropped"]) for step in steps] == [(1, 11)] * 3


def test_a_step_minimises_the_weighted_sum_over_all_labelled_pairs(tiny_llama: Path, tmp_path: Path) -> None:
    """``sum w_i loss_i / n``: a pair of weight 0 is not trained on, but counts in n, as in UWO."""
    annotator, recording = ByHash(weighing=True, dropping=True), recorded(tiny_llama)
    trainer = trained(tiny_llama, tmp_path, annotator, 2, adapter=False, max_steps=1, generator=recording)
    assert {0.0, 1.0} < set(annotator.weights.values())
    assert len(annotator.labels) < len(annotator.seen[0])
    policy, reference = alone(recording.models[1]), recording.models[1]
    total = torch.zeros((), dtype=torch.float64)
    for name, label in annotator.labels.items():
        texts = texts_of(recording, 1, name.removeprefix("step-1/"), label)
        ratios = [
            _log_prob(policy, texts.prompt, ids) - log_prob(reference, texts.prompt, ids)
            for ids in (texts.chosen, texts.rejected)
        ]
        total = total - annotator.weights[name] * torch.nn.functional.logsigmoid(
            BETA * (ratios[0] - ratios[1])
        )
    (total / len(annotator.labels)).backward()
    expected = {
        name: parameter.detach() - 0.05 * parameter.grad for name, parameter in policy.named_parameters()
    }
    assert apart(weights_of(trainer), expected) < 1e-6
    assert rows(tmp_path / "metrics.jsonl")[0]["loss"] == pytest.approx(
        float(total.detach()) / len(annotator.labels), abs=1e-6
    )


def _log_prob(model: torch.nn.Module, prompt: list[int], response: list[int]) -> torch.Tensor:
    logits = model(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1].double()
    return logits.log_softmax(-1)[range(len(response)), response].sum()


def test_failed_pairs_are_counted_and_neither_trained_on_nor_learnt_from(
    tiny_llama: Path, tmp_path: Path
) -> None:
    annotator = ByHash(dropping=True)
    tiny_run(tiny_llama, tmp_path, annotator).train()
    decisions = rows(tmp_path / "decisions.jsonl")
    failed = [row for row in decisions if row["label"] is None]
    assert 0 < len(failed) < len(decisions) == 36
    assert all(row["reason"] == "rm: out of order" and row["loss"] is None for row in failed)
    assert {row["decision_id"] for row in decisions} - {row["decision_id"] for row in failed} == set(
        annotator.outcomes
    )
    assert set(annotator.outcomes) == set(annotator.labels)
    steps = rows(tmp_path / "metrics.jsonl")
    assert sum(step["dropped"] for step in steps) == len(failed)
    assert all(step["dropped"] + step["labelled"] == step["pairs"] == 12 for step in steps)


class SilentSteps(TextScorer):
    """An RM that fails on every pair in some of its calls."""

    def __init__(self, name: str, silent: Sequence[int]) -> None:
        super().__init__(name, hashed(name))
        self._silent = silent

    def judge(self, pairs: Sequence[PreferencePair]) -> Any:
        found = super().judge(pairs)
        return (
            [type(v).failed(self.name, "overloaded") for v in found]
            if len(self.calls) in self._silent
            else found
        )


def test_a_step_without_labels_leaves_policy_and_annotator_as_they_were(
    tiny_llama: Path, tmp_path: Path
) -> None:
    """Not even Adam's momentum moves on."""
    states: list[Any] = []

    class Watching(SingleAnnotator):
        def observe(self, outcomes: Mapping[str, Outcome]) -> None:
            states.append(weights_of(trainer))
            assert bool(outcomes) == (len(states) != 2)

    annotator = Watching(RewardModelPool([SilentSteps("rm", [2])]), "rm")
    trainer = tiny_run(tiny_llama, tmp_path, annotator, weight_decay=0.1)
    trainer.train()
    assert apart(states[0], states[1]) == 0.0
    assert apart(states[1], states[2]) > 0.0
    assert [step["labelled"] for step in rows(tmp_path / "metrics.jsonl")] == [12, 0, 12]


def test_a_router_learns_nothing_from_a_step_without_labels(tiny_llama: Path, tmp_path: Path) -> None:
    annotator = router()
    beliefs: list[Any] = []
    for name in annotator.policy.names:
        model = annotator._pool._models[name]
        model.judge = SilentSteps(name, [1, 2, 3, 4, 5, 6, 7]).judge  # type: ignore[method-assign]
    before = annotator.state_dict()
    tiny_run(tiny_llama, tmp_path, annotator, max_steps=1).train()
    after = annotator.state_dict()
    beliefs = [name for name in before.arrays if name.startswith("policy.")]
    assert beliefs
    assert all((before.arrays[name] == after.arrays[name]).all() for name in beliefs)
    assert before.part("reward").metadata == after.part("reward").metadata


def test_training_stops_where_no_pair_gets_a_label_for_too_long(tiny_llama: Path, tmp_path: Path) -> None:
    annotator = SingleAnnotator(RewardModelPool([SilentSteps("rm", range(2, 20))]), "rm")
    trainer = tiny_run(tiny_llama, tmp_path, annotator, settings=online(give_up_after=3), max_steps=6)
    closed: list[bool] = []
    trainer._generator.close = lambda: closed.append(True)
    with pytest.raises(OutageError, match=r"no pair got a label in 3 steps in a row; .*overloaded"):
        trainer.train()
    assert closed == [True]
    assert len(rows(tmp_path / "metrics.jsonl")) == 3


def test_responses_that_are_all_equal_say_so(tiny_llama: Path, tmp_path: Path) -> None:
    settings = online(generation={"responses": 4, "max_new_tokens": 8, "top_k": 1}, give_up_after=2)
    trainer = tiny_run(tiny_llama, tmp_path, ByHash(), settings=settings)
    with pytest.raises(RuntimeError, match="all responses to each prompt are equal"):
        trainer.train()


def test_a_loss_that_is_not_a_number_stops_with_step_and_decision(tiny_llama: Path, tmp_path: Path) -> None:
    class Breaking(ByHash):
        def observe(self, outcomes: Mapping[str, Outcome]) -> None:
            with torch.no_grad():
                trainer.ref_model.get_output_embeddings().weight.fill_(torch.nan)

    trainer = tiny_run(tiny_llama, tmp_path, Breaking())
    with pytest.raises(
        RuntimeError, match=r"step 2: the loss of step-2/2/q\d+/\d-\d is nan. The policy has diverged"
    ):
        trainer.train()


def test_an_adapter_that_the_policy_came_with_is_the_reference(tiny_llama: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    policy = get_peft_model(load_policy(tiny_llama), lora())
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    annotator = ByHash()
    trainer = tiny_run(tiny_llama, tmp_path, annotator, model=policy)
    before = weights_of(trainer)
    trainer.train()
    assert all(outcome.margin == 0.0 for outcome in annotator.told[0].values())
    assert all(outcome.margin != 0.0 for outcome in annotator.told[1].values())
    moved = {name for name, now in weights_of(trainer).items() if not now.equal(before[name])}
    assert moved
    assert not any(".ref." in name for name in moved)


def test_a_policy_that_was_trained_before_is_its_own_reference(tiny_llama: Path, tmp_path: Path) -> None:
    policy = load_policy(tiny_llama)
    tiny_run(tiny_llama, tmp_path / "first", ByHash(), model=policy).train()
    annotator = ByHash()
    tiny_run(tiny_llama, tmp_path / "second", annotator, model=policy).train()
    assert all(outcome.margin == 0.0 for outcome in annotator.told[0].values())
    assert any(outcome.margin != 0.0 for outcome in annotator.told[1].values())


def test_every_epoch_takes_whole_steps_of_other_prompts(tiny_llama: Path, tmp_path: Path) -> None:
    """Eleven prompts, four a step: two steps an epoch, in however many parts."""
    asked = {}
    for parts in (1, 2):
        annotator = ByHash()
        trained(
            tiny_llama,
            tmp_path / str(parts),
            annotator,
            parts,
            prompts=questions(11),
            max_steps=-1,
            num_train_epochs=3,
        )
        asked[parts] = [sorted({pair.group for pair in pairs}) for pairs in annotator.seen]
    assert asked[1] == asked[2]
    assert [len(names) for names in asked[1]] == [4] * 6
    for epoch in range(3):
        assert not set(asked[1][2 * epoch]) & set(asked[1][2 * epoch + 1])
    assert asked[1][:2] != asked[1][2:4]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"loss_type": "exo_pair"}, "loss_type: found exo_pair, expected one of sigmoid, hinge, ipo"),
        ({"loss_type": ["sigmoid", "ipo"]}, "loss_type: found sigmoid, ipo, expected one of"),
        (
            {"label_smoothing": 0.1},
            "label_smoothing: found 0.1, but online DPO has no use for it; leave it at 0.0",
        ),
        ({"beta": 0.0}, "beta: found 0.0, expected a number above 0"),
        ({"per_device_train_batch_size": 25}, r"prompts: 24 can be used, but a step takes 25 \(per_device"),
        ({"auto_find_batch_size": True}, "auto_find_batch_size: found True"),
    ],
)
def test_settings_that_have_no_place_here_are_refused(
    tiny_llama: Path, tmp_path: Path, settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        tiny_run(tiny_llama, tmp_path, ByHash(), **settings)


def test_runs_of_one_seed_are_equal_and_of_another_are_not(tiny_llama: Path, tmp_path: Path) -> None:
    found = [
        weights_of(trained(tiny_llama, tmp_path / str(n), ByHash(), 1, seed=seed, adapter=True))
        for n, seed in enumerate((0, 0, 1))
    ]
    assert apart(found[0], found[1]) == 0.0
    decisions = [(tmp_path / str(n) / "decisions.jsonl").read_text(encoding="utf-8") for n in range(3)]
    assert decisions[0] == decisions[1] != decisions[2]


def test_gradient_checkpointing_changes_nothing(tiny_llama: Path, tmp_path: Path) -> None:
    found = [
        weights_of(
            trained(tiny_llama, tmp_path / str(on), ByHash(), 2, gradient_checkpointing=on, adapter=adapter)
        )
        for on in (False, True)
        for adapter in (False, True)
    ]
    assert apart(found[0], found[2]) < 1e-6
    assert apart(found[1], found[3]) < 1e-6


@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_the_saved_policy_is_the_trained_one(tiny_llama: Path, tmp_path: Path, adapter: bool) -> None:
    trainer = tiny_run(tiny_llama, tmp_path / "run", ByHash(), adapter=adapter, beta=BETA)
    trainer.train()
    trainer.save_model(str(tmp_path / "policy"))
    base = load_policy(tiny_llama) if adapter else AutoModelForCausalLM.from_pretrained(tmp_path / "policy")
    loaded = PeftModel.from_pretrained(base, tmp_path / "policy") if adapter else base
    ids = torch.arange(4, 20)[None]
    with torch.no_grad():
        found, expected = loaded(input_ids=ids).logits, trainer.model(input_ids=ids).logits
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.allclose(found, load_policy(tiny_llama)(input_ids=ids).logits, atol=1e-3)
