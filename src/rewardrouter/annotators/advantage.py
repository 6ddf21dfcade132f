"""Full and light advantage: the bandit learns whether its RM did better than others on the same pair (Table 7)."""

from __future__ import annotations

import numpy as np

from rewardrouter.annotators.contexts import PairScorer, pair_embeddings
from rewardrouter.annotators.rewards import AdvantageReward
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.online.advantage import ReferenceSampler
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.reward_models.pool import RewardModelPool


class AdvantageAnnotator(RoutedAnnotator):
    """Thompson sampling with the reward 1 where the RM's label has at most the mean loss of the references, else 0.

    Parameters
    ----------
    pool, router
        The RMs, and what was fitted to them.
    size
        ``None``: all RMs are asked about every pair (full advantage). A number C: so many, drawn per pair without
        replacement, the chosen one not forced in (light advantage; the paper's C is 3).
    prior
        Whether the weights start at E_bt, as BayesianRouter's. The paper's Table 7 is without.
    seed
        Of the draws: of the scores and of the references.

    Raises
    ------
    ConfigError
        If an arm is not in the pool, or ``size`` is less than 1 or more than there are arms.
    """

    def __init__(
        self,
        pool: RewardModelPool,
        router: PairScorer,
        *,
        size: int | None = None,
        prior: bool = False,
        seed: int = 0,
    ) -> None:
        if prior:
            policy = ThompsonSampler.with_prior(router.arms, router.prior_mean, seed=seed)
        else:
            policy = ThompsonSampler.without_prior(router.arms, router.prior_mean.shape[1], seed=seed)
        # Another stream of numbers than the policy's of the same seed.
        other_seed = int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])
        super().__init__(
            pool,
            policy,
            pair_embeddings(router),
            AdvantageReward(),
            references="all" if size is None else ReferenceSampler(size, other_seed),
        )
