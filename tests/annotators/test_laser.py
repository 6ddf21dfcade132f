"""LASER: one RM per batch, chosen by its prompts, and sticky."""

import numpy as np
import pytest
from conforming import POOL
from scripted import scripted

from rewardrouter.annotators import LaserAnnotator, Outcome, StepContext
from rewardrouter.errors import ConfigError
from rewardrouter.reward_models import recorded_pool
from rewardrouter.testing import check_annotator

TABLE = scripted(np.ones((8, 3)))


def embeddings(seed, n=8):
    rows = 1.0 + 0.1 * np.random.default_rng(seed).standard_normal((n, 4))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_one_rm_labels_the_batch_and_it_is_the_pools_first():
    """Prompts that resemble each other and rewards of .06 and more: the first arm is never left."""
    pool = recorded_pool(TABLE).select(["rm2", "rm0", "rm1"])
    ours = LaserAnnotator(pool, 4)
    for n in range(8):
        found = ours.annotate(TABLE.pairs, StepContext(str(n), n, embeddings(n)))
        assert {one.rm for one in found} == {"rm2"}
        falling = Outcome(1.0 - 0.1 * n, 1.0, 0.0)  # every batch is better than all before it
        ours.observe({one.decision_id: falling for one in found})
    assert ours.policy.posteriors.counts.tolist() == [8, 0, 0]


def test_prompts_are_needed():
    with pytest.raises(ConfigError, match="prompt embeddings"):
        LaserAnnotator(POOL, 4).annotate(TABLE.pairs, StepContext("b"))


def test_it_keeps_the_contract():
    check_annotator(
        lambda: LaserAnnotator(POOL, 4, exploration=1.0), chunked=False, prompt_embeddings=embeddings(0, 6)
    )
