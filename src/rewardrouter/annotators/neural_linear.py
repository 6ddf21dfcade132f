"""Neural-linear: is a bandit that is linear in h too simple? The non-linear check on the paper's 3.3."""

from __future__ import annotations

from rewardrouter.annotators.contexts import PairScorer, pair_embeddings
from rewardrouter.annotators.rewards import LossReward, Reward
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.reward_models.pool import RewardModelPool


class NeuralLinearAnnotator(RoutedAnnotator):
    """Thompson sampling on the last layer of a small network on h that is trained now and then, without prior.

    The network and its training: :mod:`rewardrouter.annotators.neural_policy`.

    Parameters
    ----------
    pool, router
        The RMs, and whose h is used.
    width
        Of the network's layer.
    every
        Settled batches from one training to the next.
    reward
        What is learnt from; ``None`` takes the paper's (App. B).
    seed
        Of the initial weights and of the draws.

    Raises
    ------
    ConfigError
        If an arm is not in the pool, or ``width`` or ``every`` is less than 1.
    """

    def __init__(
        self,
        pool: RewardModelPool,
        router: PairScorer,
        *,
        width: int = 32,
        every: int = 10,
        reward: Reward | None = None,
        seed: int = 0,
    ) -> None:
        from rewardrouter.annotators.neural_policy import NeuralLinear  # needs torch

        dimension = router.prior_mean.shape[1]
        policy = NeuralLinear(router.arms, dimension, width=width, every=every, seed=seed)
        super().__init__(pool, policy, pair_embeddings(router), LossReward() if reward is None else reward)
