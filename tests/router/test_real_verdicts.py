"""The default router on a share of the real verdicts, small enough for a minute on one core."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rewardrouter.annotators.watching import ShiftWatch
from rewardrouter.config.offline import frozen_preset
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.offline.splits import group_folds
from rewardrouter.router import BayesianRouter, fit_router
from rewardrouter.verdicts import VerdictTable

POOL = ["internlm2-1_8b-reward", "GRM-Gemma-2B-rewardmodel-ft", "FsfairX-LLaMA3-RM-v0.1", "RM-Mistral-7B"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table(shared_data: Path) -> VerdictTable:
    whole = load_verdicts(shared_data / "verdicts" / "rewardbench9_dev.parquet", POOL).table
    return whole.select(group_folds(whole.groups, 5, 0) == 0)


@pytest.fixture(scope="module")
def router(table: VerdictTable) -> BayesianRouter:
    encoder = frozen_preset().encoder.model_copy(update={"max_tokens": 160, "device": "cpu"})
    return fit_router(table, frozen_preset().model_copy(update={"encoder": encoder}))


def test_the_router_is_not_worse_than_the_best_single_rm(router, table):
    validation = router.training.validation
    assert 240 < len(table) < 280
    assert validation.accuracy >= validation.best_single_accuracy - 0.01
    assert 0.8 < validation.accuracy < 1
    assert validation.by_domain.keys() == {"Chat", "Chat Hard", "Reasoning"}


def test_exchanged_real_responses_have_equal_scores_bit_for_bit(router, table, tmp_path):
    pairs = table.pairs[:40]
    scores = router.scores(pairs)
    np.testing.assert_array_equal(router.scores([pair.swapped() for pair in pairs]), scores)
    router.save_pretrained(tmp_path / "router")
    loaded = BayesianRouter.from_pretrained(tmp_path / "router", device="cpu")
    np.testing.assert_array_equal(loaded.scores(pairs), scores)


def test_pairs_like_those_of_the_fit_are_no_shift(router, shared_data):
    """Other problems of the same sources, drawn by pairs: some problems have six of them, most one."""
    whole = load_verdicts(shared_data / "verdicts" / "rewardbench9_dev.parquet", POOL).table
    other = whole.select(group_folds(whole.groups, 5, 0) == 1)
    contexts = router.score(other.pairs).contexts
    for seed in range(4):
        watch = ShiftWatch(router.reference)
        for rows in np.array_split(np.random.default_rng(seed).permutation(len(other)), 8):
            watch.see([other.pairs[row] for row in rows], contexts[rows], str(rows[0]))
        assert not watch.evidence.fired
