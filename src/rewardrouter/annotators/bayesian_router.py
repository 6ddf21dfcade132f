"""BayesianRouter: Thompson sampling that starts from the offline router (paper 3.3, 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from rewardrouter.annotators.base import Annotation, StepContext
from rewardrouter.annotators.contexts import PairScorer, pair_embeddings
from rewardrouter.annotators.observing import Observer
from rewardrouter.annotators.rewards import LossReward, Reward
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.errors import ConfigError
from rewardrouter.online.thompson import PRIOR_VARIANCE, ThompsonSampler
from rewardrouter.pairs import PreferencePair
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
    discount
        What a batch's rewards weigh one batch later: about ``1 / (1 - discount)`` batches are remembered, then the
        prior returns (:mod:`rewardrouter.online.posterior`); 1 forgets nothing.
    widen_on_shift
        The prior's variance is multiplied by this once the test of :mod:`rewardrouter.online.shift` says that pairs
        have left those of the fit, from the next batch on, and all rewards are kept; 1 leaves the prior alone.
    reward
        What is learnt from; ``None`` takes the paper's (App. B).
    observer
        What is learnt from in its place, or with it (:mod:`rewardrouter.annotators.observing`).
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
        discount: float = 1.0,
        widen_on_shift: float = 1.0,
        reward: Reward | None = None,
        observer: Observer | None = None,
        seed: int = 0,
    ) -> None:
        policy = ThompsonSampler.with_prior(
            router.arms,
            router.prior_mean if prior_mean is None else prior_mean,
            prior_variance=prior_variance,
            noise_variance=noise_variance,
            discount=discount,
            seed=seed,
        )
        super().__init__(
            pool,
            policy,
            pair_embeddings(router),
            LossReward() if reward is None else reward,
            observer=observer,
        )
        if not 1 <= widen_on_shift < float("inf"):
            raise ConfigError(f"widen_on_shift: expected a number of at least 1, found {widen_on_shift}")
        if widen_on_shift > 1 and self.watch is None:
            raise ConfigError(
                "widen_on_shift: nothing here knows what the router's fitting pairs looked like; fit it again"
            )
        self._posteriors, self._widen_on_shift = policy.posteriors, widen_on_shift

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the labels of the chosen RMs; the prior is widened first where the test fired in a batch before."""
        if pairs and self._widen_on_shift > 1 and self.watch is not None:
            is_wide = self._posteriors.prior_variance > self._posteriors.given_variance
            # Not within a batch: how that is cut into calls would decide its labels.
            if not is_wide and self.watch.fired_before(step.batch_id):
                self._posteriors.widen(self._widen_on_shift)
        return super().annotate(pairs, step)
