"""The model card says what it was fitted on, how well it does where, and what not to expect."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rewardrouter.router.card import model_card


@pytest.mark.parametrize("kind", ["minilm", "linear", "mlp", "cosine", "full bert", "full qwen2"])
def test_every_fact_has_its_place(kind, router_of):
    router = router_of(kind)
    training, validation = router.training, router.training.validation
    card = model_card(router)
    head, data, validated, calibrated, limits = (
        card.split("## ")[0],
        *(
            card.split(f"## {name}\n")[1].split("\n## ")[0]
            for name in ("Training data", "Validation", "Calibration", "Limits")
        ),
    )
    assert head.startswith("---\nlibrary_name: rewardrouter\n")
    assert ("frozen" in head) == (not kind.startswith("full"))
    assert all(arm in head for arm in router.arms)
    # coverage
    assert "48 human-labelled pairs of 24 groups" in data
    assert f"{training.n_disagreement:,} (pair, right RM, wrong RM) triples" in data
    for arm in router.arm_records:
        assert f"| {arm.name} | {arm.observed} | {arm.ties} | {arm.failed} | {arm.accuracy:.3f} |" in data
    assert all(f"| {name} | {n} |" in data for name, n in training.domains.items())
    assert all(f"- {line}" in data for line in [*training.cuts, "1 row was dropped"])
    # validation, as a whole and per domain
    assert validation.method in validated
    assert f"{validation.accuracy:.3f}" in validated
    assert f"{validation.best_single} with {validation.best_single_accuracy:.3f}" in validated
    for name, (n, share) in validation.by_domain.items():
        assert f"| {name} | {n} | {share:.3f} |" in validated
    # calibration
    assert f"calibrated on {len(router.held_out):,} pairs" in calibrated
    for n, arm in enumerate(router.arms):
        seen = router.held_out.answered[:, n]
        right = router.held_out.behaviour[seen, n].mean()
        assert f"| {arm} | {seen.sum()} | {right:.3f} | its base rate and the pair | 0." in calibrated
    # limits
    assert "other prompts, languages or domains" in limits
    assert f"at most {router.encoder.max_tokens:,} tokens" in limits


def test_a_router_that_gains_nothing_says_so(router_of):
    router = router_of("linear")
    validation = router.training.validation
    worse = dataclasses.replace(validation, accuracy=validation.best_single_accuracy)
    training, router.training = router.training, dataclasses.replace(router.training, validation=worse)
    try:
        assert "not above the best single reward model" in model_card(router)
    finally:
        router.training = training


def test_names_from_the_data_cannot_break_a_table(router_of):
    router = router_of("linear")
    training = router.training
    router.training = dataclasses.replace(training, domains={"a | b\n# c": 3})
    try:
        assert r"| a \| b # c | 3 |" in model_card(router)
    finally:
        router.training = training


def test_an_arm_without_verdicts_and_a_router_without_held_out_pairs_say_so(router_of):
    router = router_of("linear").with_arm("new")
    assert "| new | 0 | - | the pair alone | - |" in model_card(router)
    router.held_out = router.held_out.select(np.zeros(len(router.held_out), np.bool_))
    assert "It keeps no held-out pairs" in model_card(router)
