"""BayesianRouter: Thompson sampling that starts from the offline router (paper 3.3, 3.4)."""

from __future__ import annotations

import numpy.typing as npt

from rewardrouter.annotators.contexts import PairScorer, pair_embeddings
from rewardrouter.annotators.rewards import LossReward, Reward
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.online.thompson import PRIOR_VARIANCE, ThompsonSampler
from rewardrouter.reward_models.pool import RewardModelPool


class BayesianRouterAnnotator(RoutedAnnotator):
    """The paper's strategy: each arm's weights start at ``N(E_bt[n], prior_variance I)`` and learn from losses.

    As ``prior_variance`` goes to 0 it becomes :class:`~rewardrouter.annotators.offline_only.OfflineOnlyAnnotator`.

    Parameters
    ----------
    pool, router
        The RMs, and what was fitted to them; the router's arms are chosen among.
    prior_mean
        ``[N, d]`` in the order of ``router.arms``, for ablations; ``None`` takes ``router.prior_mean``.
    prior_variance, noise_variance
        Of a weight before any reward, and of a reward; the paper's.
    reward
        What is learnt from; ``None`` takes the paper's (App. B).
    seed
        Of the draws.

    Raises
    ------
    ConfigError
        If an arm is not in the pool, or a variance is not positive.
    ValueError
        If ``prior_mean`` has another shape, or is not finite.
    """

    def __init__(
        self,
        pool: RewardModelPool,
        router: PairScorer,
        *,
        prior_mean: npt.ArrayLike | None = None,
        prior_variance: float = PRIOR_VARIANCE,
        noise_variance: float = 1.0,
        reward: Reward | None = None,
        seed: int = 0,
    ) -> None:
        policy = ThompsonSampler.with_prior(
            router.arms,
            router.prior_mean if prior_mean is None else prior_mean,
            prior_variance=prior_variance,
            noise_variance=noise_variance,
            seed=seed,
        )
        super().__init__(pool, policy, pair_embeddings(router), LossReward() if reward is None else reward)
