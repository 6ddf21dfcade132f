"""Thompson or LinUCB, per pair or per batch: what tells LASER's two weaknesses apart.

The paper's router differs from LASER (paper 4.1) in how it explores and in how much one choice decides. On the same
contexts h, without prior, the four combinations say which of the two matters.
"""

from __future__ import annotations

from typing import Literal

from rewardrouter.annotators.choosing import Per
from rewardrouter.annotators.contexts import PairScorer, pair_embeddings
from rewardrouter.annotators.rewards import BatchLossReward, LossReward, Reward
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.errors import ConfigError
from rewardrouter.online.linucb import LinUCB
from rewardrouter.online.policy import BanditPolicy
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.reward_models.pool import RewardModelPool


class FactorialAnnotator(RoutedAnnotator):
    """One of the 2 x 2 combinations of bandit and unit of choice, on h, from nothing.

    Per batch the context is the mean of h over the call's pairs and the reward is LASER's; per pair it is the
    paper's (App. B). ``bandit="thompson", per="pair"`` is the paper's w/o offline.

    Parameters
    ----------
    pool
        The RMs: all of them are arms, in this order, which decides where LinUCB knows nothing yet.
    router
        Whose h is used.
    bandit
        ``"thompson"``: prior and noise variance 1; ``"linucb"``: LASER's, ``ridge`` 1.
    per
        What one choice is for.
    exploration
        Of LinUCB; LASER's is 0.1.
    seed
        Of Thompson's draws; LinUCB draws nothing.

    Raises
    ------
    ConfigError
        If a setting is not of these.
    """

    def __init__(
        self,
        pool: RewardModelPool,
        router: PairScorer,
        *,
        bandit: Literal["thompson", "linucb"] = "thompson",
        per: Per = "pair",
        exploration: float = 0.1,
        seed: int = 0,
    ) -> None:
        if bandit not in ("thompson", "linucb"):
            raise ConfigError(f"bandit: expected thompson or linucb, found {bandit!r}")
        names, dimension = pool.names, router.prior_mean.shape[1]
        policy: BanditPolicy
        if bandit == "thompson":
            policy = ThompsonSampler.without_prior(names, dimension, seed=seed)
        else:
            policy = LinUCB.without_prior(names, dimension, exploration=exploration)
        reward: Reward = BatchLossReward() if per == "batch" else LossReward()
        super().__init__(pool, policy, pair_embeddings(router), reward, per=per)
