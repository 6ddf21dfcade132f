"""The losses: closed forms, the label's symmetry, and TRL's DPOTrainer as an independent reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_policies import learnable_pairs, tiny_policy
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardrouter.policies import pair_losses

KINDS = ("sigmoid", "hinge", "ipo")
numbers = st.floats(-50, 50)


def losses_of(a: float, b: float, label: int, kind: str, beta: float = 0.5, counts: tuple[int, int] = (3, 7)):
    return pair_losses(
        torch.tensor([[a, b]], dtype=torch.float64),
        torch.tensor([[-1.0, -2.0]], dtype=torch.float64),
        torch.tensor([counts]),
        torch.tensor([label], dtype=torch.int8),
        kind=kind,
        beta=beta,
    )


@given(numbers, numbers, st.sampled_from([1, -1]), st.floats(0.01, 2))
def test_closed_forms(a, b, label, beta):
    m = beta * ((a + 1) - (b + 2))
    d = (a + 1) / 3 - (b + 2) / 7
    sigmoid, hinge, ipo = (losses_of(a, b, label, kind, beta) for kind in KINDS)
    # log(2 cosh(m / 2)) - l m / 2; the policy's margin and the label are all that it knows of a pair.
    assert float(sigmoid.losses) == pytest.approx(np.logaddexp(m / 2, -m / 2) - label * m / 2, abs=1e-8)
    assert float(hinge.losses) == pytest.approx(max(0, 1 - label * m), abs=1e-9)
    assert float(ipo.losses) == pytest.approx((label * d - 1 / (2 * beta)) ** 2, rel=1e-9)
    assert all(float(found.margins) == pytest.approx(m, abs=1e-9) for found in (sigmoid, hinge, ipo))


@given(numbers, numbers, st.sampled_from([1, -1]), st.sampled_from(KINDS))
def test_the_swapped_loss_is_that_of_the_opposite_label(a, b, label, kind):
    found, opposite = losses_of(a, b, label, kind), losses_of(a, b, -label, kind)
    assert torch.equal(found.swapped_losses, opposite.losses)
    assert torch.equal(found.losses, opposite.swapped_losses)
    assert torch.equal(found.margins, opposite.margins)


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_start_both_labels_cost_the_same(kind):
    found = losses_of(-1.0, -2.0, 1, kind)
    assert torch.equal(found.losses, found.swapped_losses)
    assert float(found.margins) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_costs_what_it_does_in_trl(kind, tiny_llama_without_template: Path, tmp_path: Path):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    pairs, labels = learnable_pairs(12)
    policy = tiny_policy(tiny_llama_without_template, loss=kind, beta=0.3, learning_rate=1e-3)
    prepared, rows = policy.prepare(pairs), np.arange(12)
    for _ in range(3):  # away from the reference, where all margins are 0
        policy.train_step(prepared, rows, labels, np.ones(12))

    model = AutoModelForCausalLM.from_pretrained(tiny_llama_without_template)
    trained = policy.state_dict().part("training").part("weights").arrays
    model.load_state_dict({name: torch.from_numpy(array) for name, array in trained.items()})
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama_without_template)
    tokenizer.pad_token = tokenizer.eos_token
    options = {
        "output_dir": str(tmp_path),
        "loss_type": [kind],
        "beta": 0.3,
        "report_to": [],
        "use_cpu": True,
    }
    trainer = DPOTrainer(
        model,
        ref_model=AutoModelForCausalLM.from_pretrained(tiny_llama_without_template),
        args=DPOConfig(**options, bf16=False),
        train_dataset=Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}]),
        processing_class=tokenizer,
    )
    examples = []
    for prompt, answers, label in zip(
        prepared.tokens.prompts, prepared.tokens.responses, labels, strict=True
    ):
        chosen, rejected = answers if label > 0 else answers[::-1]
        examples.append(
            {"prompt_ids": prompt.tolist(), "chosen_ids": chosen.tolist(), "rejected_ids": rejected.tolist()}
        )
    with torch.no_grad():
        theirs = float(trainer.compute_loss(trainer.model, trainer.data_collator(examples)))
    ours = policy.train_step(prepared, rows, labels, np.ones(12))
    assert np.ptp(ours.losses) > 0.01
    assert ours.losses.mean() == pytest.approx(theirs, rel=1e-4)
