"""LASER (Nguyen et al., arXiv 2410.01735): LinUCB on prompts, one RM for a whole batch; a baseline of the paper."""

from __future__ import annotations

from rewardrouter.annotators.contexts import prompt_embeddings
from rewardrouter.annotators.rewards import BatchLossReward
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.online.linucb import LinUCB
from rewardrouter.reward_models.pool import RewardModelPool


class LaserAnnotator(RoutedAnnotator):
    """Chooses one RM per call, by the mean of the policy's embeddings of its prompts.

    Its reward is minus the batch's mean loss, rescaled by past batches. A call of :meth:`annotate` is one batch of
    LASER's: give it a step's pairs at once, with ``StepContext.prompt_embeddings``.

    It is sticky, as the original is: nothing is random, untried arms are believed to be worth 0 and rewards are
    not below 0, so that where prompts resemble each other the run stays with the pool's first RM
    (:mod:`rewardrouter.online.linucb`). Put another RM first in the pool to see how far that matters.

    Parameters
    ----------
    pool
        The RMs: all of them are arms, in this order.
    dimension
        Of the policy's prompt embeddings.
    exploration, ridge
        Of LinUCB, as in LASER's released code.

    Raises
    ------
    ConfigError
        If ``exploration`` is negative or ``ridge`` is not positive; when annotating, if there are no embeddings.
    """

    reads_prompts = True

    def __init__(
        self, pool: RewardModelPool, dimension: int, *, exploration: float = 0.1, ridge: float = 1.0
    ) -> None:
        policy = LinUCB.without_prior(pool.names, dimension, exploration=exploration, ridge=ridge)
        super().__init__(pool, policy, prompt_embeddings, BatchLossReward(), per="batch")
