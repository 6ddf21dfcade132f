"""Weighted score: offline and online scores mixed instead of one being the other's prior (paper 4.3, Table 6)."""

from __future__ import annotations

from rewardrouter.annotators.contexts import PairScorer, pair_embeddings
from rewardrouter.annotators.rewards import LossReward, Reward
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.online.weighted import WeightedScore
from rewardrouter.reward_models.pool import RewardModelPool


class WeightedScoreAnnotator(RoutedAnnotator):
    """Routes by ``alpha softmax(s_bt) + (1 - alpha) softmax(s_online)``; :mod:`rewardrouter.online.weighted`.

    Parameters
    ----------
    pool, router
        The RMs, and what was fitted to them.
    alpha
        The weight of the offline scores; the paper tries .25, .5 and .75.
    prior_variance, noise_variance
        Of the online part, which starts from nothing.
    reward
        What it learns from; ``None`` takes the paper's (App. B).
    seed
        Of the draws.

    Raises
    ------
    ConfigError
        If an arm is not in the pool, ``alpha`` is not in [0, 1], or a variance is not positive.
    """

    def __init__(
        self,
        pool: RewardModelPool,
        router: PairScorer,
        *,
        alpha: float = 0.5,
        prior_variance: float = 1.0,
        noise_variance: float = 1.0,
        reward: Reward | None = None,
        seed: int = 0,
    ) -> None:
        sampler = ThompsonSampler.without_prior(
            router.arms,
            router.prior_mean.shape[1],
            prior_variance=prior_variance,
            noise_variance=noise_variance,
            seed=seed,
        )
        policy = WeightedScore(router.prior_mean, sampler, alpha)
        super().__init__(pool, policy, pair_embeddings(router), LossReward() if reward is None else reward)
