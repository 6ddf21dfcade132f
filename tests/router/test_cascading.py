"""Routers of every form carry calibration, keep it when saved, and run a cascade."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_tables import written_table

from rewardrouter.annotators import StepContext
from rewardrouter.annotators.admitted import Admitted
from rewardrouter.annotators.cascade import CascadeAnnotator
from rewardrouter.calibration import Plan
from rewardrouter.config.cascade import CascadeSettings
from rewardrouter.config.offline import FeatureConfig, HeadConfig
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router import BayesianRouter, fit_router

STEP = StepContext("batch")


def scored_table(n_pairs, seed):
    """Three RMs: two with scores, the surer the better, and a judge that only names winners."""
    table, random = written_table(n_pairs, seed), np.random.default_rng(seed)
    right = table.behaviour == 1
    margins = np.where(right, random.gamma(3.0, 1.0, right.shape), random.gamma(1.5, 1.0, right.shape))
    scores = np.where(np.isnan(table.behaviour), np.nan, np.sign(table.winners) * margins)
    scores[:, 2] = np.nan
    return dataclasses.replace(table, scores_a=scores, scores_b=0 * scores)


TABLE, OTHER = scored_table(60, 0), scored_table(30, 11)

FORMS = {
    "linear": ("linear", {}),
    "linear without surrogates": ("linear", {"surrogates": False}),
    "linear without the classification head": ("linear", {"cls_weight": 0}),
    "linear without either": ("linear", {"surrogates": False, "cls_weight": 0}),
    "mlp": ("mlp", {}),
    "mlp without surrogates": ("mlp", {"surrogates": False}),
    "cosine": ("cosine", {}),
    "encoder trained": ("full bert", {}),
    "encoder trained without the classification head": ("full bert", {"cls_weight": 0}),
}
"""A kind of router, and what it lacks."""


@pytest.fixture(scope="module", params=FORMS)
def form(request, config_of):
    """The name of a form, and a router of it."""
    kind, given = FORMS[request.param]
    config = config_of(kind)
    features, heads = config.features.model_dump(), config.heads.model_dump()
    features |= {name: value for name, value in given.items() if name in features}
    heads |= {name: value for name, value in given.items() if name in heads}
    config = config.model_copy(update={"features": FeatureConfig(**features), "heads": HeadConfig(**heads)})
    return request.param, fit_router(TABLE, config)


def test_it_is_calibrated_and_keeps_that_when_saved(form, tmp_path):
    name, router = form
    held_out, correctness = router.held_out, router.evidence.correctness
    whole = len(TABLE) if name.startswith("linear") else 0
    assert len(held_out) == whole or 0 < len(held_out) < len(TABLE)
    without_reading = "without surrogates" in name or "either" in name or name[0] in "ce"
    assert (held_out.signals.reading is None) == without_reading
    assert np.isnan(correctness.median).tolist() == [False, False, True]
    for n in range(2):  # the judge has no margins to be sure by
        assert correctness.weights[n, 1] >= 0
    router.save_pretrained(tmp_path / "router")
    loaded = BayesianRouter.from_pretrained(tmp_path / "router", device="cpu")
    np.testing.assert_array_equal(loaded.evidence.correctness.weights, correctness.weights)


@pytest.mark.parametrize("threshold", [None, 1.0])
def test_it_runs_a_cascade(form, threshold, monkeypatch):
    """By its own plan, which on so few pairs may be to ask one RM, and by a threshold."""
    _, router = form
    if threshold is not None:
        monkeypatch.setattr(Admitted, "plan", lambda *_: Plan(threshold, 0.0, 2.0, 1.0))
    annotator = CascadeAnnotator(recorded_pool(OTHER), router, CascadeSettings(budget=2.0))
    found = annotator.annotate(OTHER.pairs, STEP)
    best = router.scores(OTHER.pairs).argmax(axis=1)
    assert [one.rms[0] for one in found] == [router.arms[n] for n in best]
    for row, one in zip(OTHER.winners, found, strict=True):
        heard = [row[OTHER.rms.index(rm)] for rm in one.rms]
        assert (one.label is not None) == any(abs(code) == 1 for code in heard)
        assert len(set(one.rms)) == len(one.rms)
    kept = [one.label == {1: "A", -1: "B"}[label] for one, label in zip(found, OTHER.labels, strict=True)]
    assert np.mean(kept) > 0.5


def test_an_arm_without_pairs_is_asked_too_and_plans_stay_as_they_were(form):
    _, router = form
    wider = router.with_arm("new")
    table = dataclasses.replace(
        OTHER,
        rms=(*OTHER.rms, "new"),
        winners=np.column_stack([OTHER.winners, OTHER.labels]).astype(np.int8),
        scores_a=np.column_stack([OTHER.scores_a, OTHER.labels]),
        scores_b=np.column_stack([OTHER.scores_b, 0 * OTHER.labels]),
    )
    annotator = CascadeAnnotator(recorded_pool(table), wider, CascadeSettings(budget=3.0))
    found = annotator.annotate(table.pairs, STEP)
    assert all(one.label is not None for one in found if "new" in one.rms)
    # Of a held-out pair three can be asked, not four.
    assert annotator.plan.cost <= 3.0
    expected = wider.evidence.correctness.expected(wider.signals(OTHER.pairs).beliefs)
    assert ((expected > 0) & (expected < 1)).all()
