"""Routed annotators on a small recorded pool, and whether two of them believe the same."""

from __future__ import annotations

import numpy as np
from scripted import scripted
from scripted_scorer import ScriptedScorer

from rewardrouter.annotators import LossReward, RoutedAnnotator
from rewardrouter.annotators.contexts import pair_embeddings
from rewardrouter.online.feedback import BanditReward
from rewardrouter.online.quantiles import PercentileScale
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.reward_models import recorded_pool
from rewardrouter.verdicts import FAILED, TIE, A, B

ARMS = ("rm0", "rm1", "rm2")
D = 5


def table_of(pairs=12, seed=0, arms=3):
    rng = np.random.default_rng(seed)
    return scripted(rng.choice([A, B, TIE, FAILED], size=(pairs, arms), p=[0.4, 0.3, 0.15, 0.15]))


TABLE = table_of()


def loss_reward():
    """The paper's, with a past that is long enough from the second batch on."""
    return LossReward(BanditReward(PercentileScale(least=3)))


def thompson(arms=ARMS, seed=0):
    return ThompsonSampler.without_prior(arms, D, seed=seed)


def annotator(table=TABLE, policy=None, reward=None, arms=ARMS, **options):
    return RoutedAnnotator(
        recorded_pool(table),
        thompson(arms) if policy is None else policy,
        pair_embeddings(ScriptedScorer(arms, D)),
        loss_reward() if reward is None else reward,
        **options,
    )


def contexts(pairs):
    return ScriptedScorer(ARMS, D).contexts(pairs)


def assert_same_beliefs(one, other, exactly=False):
    for left, right in zip(one.policy.posteriors.mean, other.policy.posteriors.mean, strict=True):
        np.testing.assert_allclose(left, right, atol=0 if exactly else 1e-12, rtol=0)
    assert one.policy.posteriors.counts.tolist() == other.policy.posteriors.counts.tolist()
