"""A reward function for TRL's GRPO and RLOO that sends each prompt to the RM most likely to judge it right.

    reward = RoutedReward(pool, router, feedback=VerifierFeedback.gold("answer"))
    GRPOTrainer(policy, reward_funcs=reward, train_dataset=prompts, callbacks=[SaveRouter(reward)], ...).train()

One call::

    completions of all ranks -> groups -> contexts -> one draw per group -> its RM's scores, on a common scale
                                       feedback's opinion of each completion -> bandit rewards -> the bandit's update

Every rank draws for all groups and judges those that begin on it; what came of them is told to all, and all learn
from all of it in the same order. So posterior, scales and generator are the same on every rank, and the same as one
process's on the whole batch.

In evaluation nothing is learnt or drawn: each prompt goes to the RM that is trusted most, and training goes on as if
it had not taken place. Only a :class:`~rewardrouter.integrations.saving.SaveRouter` tells it from training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.annotators.contexts import PairScorer
from rewardrouter.annotators.ensembles import ScoreScale, score_scales
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.integrations.batches import Completions, RanksBatch, batch_of_ranks, completions_of
from rewardrouter.integrations.feedback import Feedback, WatchesPolicy, order_agreement
from rewardrouter.integrations.groups import Group
from rewardrouter.integrations.judging import GroupJudge, JudgedGroup
from rewardrouter.integrations.ranks import gathered, rank
from rewardrouter.integrations.scales import RunningScales
from rewardrouter.online.arrays import Floats
from rewardrouter.online.policy import BanditPolicy
from rewardrouter.online.thompson import PRIOR_VARIANCE, ThompsonSampler
from rewardrouter.progress import log
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.state import State


class RoutedReward:
    """Scores completions, each prompt's by one RM that a bandit chooses.

    Parameters
    ----------
    pool, router
        The RMs, and what was fitted to them; the router's arms are chosen among.
    feedback
        What the bandit learns from (:mod:`rewardrouter.integrations.feedback`); never the RMs' scores.
    policy
        The bandit; ``None`` takes Thompson sampling from the router's prior (paper 3.3, 3.4) with the variances and
        the seed given here.
    prior_variance, noise_variance
        Of a weight before any reward, and of a reward.
    pairs_per_prompt
        The most pairs of a prompt's completions that make its context, and that a judge is asked about.
    scales
        Each RM's scale before its first score; ``None`` takes what the router's fit saw.
    scale_weight
        How many scores that is worth.
    seed
        Of the draws, and of which pairs are made.
    name
        Under which TRL logs the rewards.

    Attributes
    ----------
    failed
        Prompts so far that no RM answered; their completions got no reward.
    last_rewards
        The bandit rewards of the last call, one for every group that gave one.

    Raises
    ------
    ConfigError
        If an arm is not in the pool, or a number is out of range.
    """

    def __init__(
        self,
        pool: RewardModelPool,
        router: PairScorer,
        *,
        feedback: Feedback,
        policy: BanditPolicy | None = None,
        prior_variance: float = PRIOR_VARIANCE,
        noise_variance: float = 1.0,
        pairs_per_prompt: int = 16,
        scales: Mapping[str, ScoreScale] | None = None,
        scale_weight: float = 200.0,
        seed: int = 0,
        name: str = "routed_reward",
    ) -> None:
        if pairs_per_prompt < 1:
            raise ConfigError(f"pairs_per_prompt: expected at least 1, found {pairs_per_prompt}")
        self.__name__ = name
        self._policy = policy or ThompsonSampler.with_prior(
            router.arms,
            router.prior_mean,
            prior_variance=prior_variance,
            noise_variance=noise_variance,
            seed=seed,
        )
        known = score_scales(getattr(router, "arm_records", ())) if scales is None else scales
        self._scales = RunningScales(self._policy.names, known, scale_weight)
        self._judge = GroupJudge(pool, self._policy, router, pairs_per_prompt, seed)
        self._feedback = feedback
        self._pairs_per_prompt, self._seed = pairs_per_prompt, seed
        self._model: PreTrainedModel | None = None
        self._answered = dict.fromkeys(self._policy.names, 0)
        self.failed = 0
        self.last_rewards: list[float] = []

    @property
    def policy(self) -> BanditPolicy:
        """The bandit."""
        return self._policy

    @property
    def answered(self) -> Mapping[str, int]:
        """How many prompts of the training each RM has scored."""
        return self._answered

    def watch(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take the trainer's model, whose mode tells training from evaluation, and its tokenizer."""
        self._model = model
        if isinstance(self._feedback, WatchesPolicy):
            self._feedback.watch(model, tokenizer)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] = (),
        *,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return the reward of each of this rank's n completions; ``None`` where no RM answered for its prompt.

        What TRL gives: prompts and completions (strings or messages) and the tokens, n of each; where to log; the
        data set's columns, and more that is not read.
        """
        training = self._model is None or self._model.training
        learning = training and self._feedback.teaches
        own = completions_of(prompts, completions, completion_ids, columns)
        batch = batch_of_ranks(own, self._feedback.values(own) if learning else [None] * len(own.texts))
        if learning:
            deviations = self._policy.deviations(len(batch.groups))
        else:  # the arm of the highest mean
            deviations = np.zeros((len(batch.groups), len(self._policy.names)))
        judged = self._judged(batch, own, deviations)
        self.last_rewards = []
        if training:
            self._count(judged)
            self._learn(batch, judged)
        if log_metric is not None:
            self._tell(judged, log_metric)
        if log_extra is not None:
            log_extra("reward_model", _spread(batch.groups, [one.rm for one in judged])[batch.mine])
        return self._rewards(batch.groups, judged)[batch.mine]

    def state_dict(self) -> State:
        """Return bandit, scales and counts: the same on every rank."""
        return State.joined(
            {"kind": self._kind(), "failed": self.failed, "answered": dict(self._answered)},
            policy=self._policy.state_dict(),
            scales=self._scales.state_dict(),
        )

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken, to the same choices and rewards.

        Raises
        ------
        CheckpointError
            If it is broken, or of another bandit, feedback or pool; nothing is changed then.
        """
        saved, here = state.value("kind", dict), self._kind()
        if differ := [
            f"{what} {saved.get(what)}, here {here[what]}" for what in here if saved.get(what) != here[what]
        ]:
            raise CheckpointError(
                f"state: of another routed reward: {'; '.join(differ)}; give the same settings"
            )
        failed, answered = state.value("failed", int), state.value("answered", dict)
        if sorted(answered) != sorted(self._answered):
            raise CheckpointError(f"state: counts of {', '.join(answered)}, not of this pool")
        before = self._policy.state_dict()
        self._policy.load_state_dict(state.part("policy"))
        try:
            self._scales.load_state_dict(state.part("scales"))
        except CheckpointError:
            self._policy.load_state_dict(before)
            raise
        self.failed, self._answered = failed, {name: int(answered[name]) for name in self._answered}

    def _kind(self) -> dict[str, str | int]:
        """Return what must be the same for the same to come out."""
        return {
            "bandit": type(self._policy).__name__,
            "feedback": self._feedback.name,
            "pairs_per_prompt": self._pairs_per_prompt,
            "seed": self._seed,
        }

    def _judged(self, batch: RanksBatch, own: Completions, deviations: Floats) -> list[JudgedGroup]:
        """Judge the groups that begin on this rank; return what came of those of all ranks, in order."""
        first = batch.mine.start
        here = [n for n, group in enumerate(batch.groups) if first <= group.start < batch.mine.stop]
        groups = [batch.groups[n] for n in here]
        rows = [own.rows[group.start - first] for group in groups]
        return [one for share in gathered(self._judge.judge(groups, rows, deviations[here])) for one in share]

    def _count(self, judged: Sequence[JudgedGroup]) -> None:
        reasons = [one.reason for one in judged if one.reason is not None]
        for one in judged:
            if one.rm is not None:
                self._answered[one.rm] += 1
                self._scales.take_in(one.rm, one.scores)
        self.failed += len(reasons)
        if reasons and rank() == 0:
            log(f"{self.__name__}: {len(reasons)} of {len(judged)} prompts got no reward: {reasons[0]}")

    def _learn(self, batch: RanksBatch, judged: Sequence[JudgedGroup]) -> None:
        """Reward the RM of each group by how well its order agrees with the feedback's."""
        names, taught = self._policy.names, []
        for group, one in zip(batch.groups, judged, strict=True):
            if one.rm is None:
                continue
            _, first = np.unique(group.members, return_index=True)  # of each distinct completion
            opinions = [batch.values[group.start + place] for place in first.tolist()]
            reward = order_agreement(one.scores, opinions, self._feedback.least_difference)
            if reward is not None:
                taught.append((one.context, names.index(one.rm)))
                self.last_rewards.append(reward)
        if taught:
            contexts, arms = zip(*taught, strict=True)
            self._policy.update(np.stack(contexts), np.array(arms, np.int64), np.array(self.last_rewards))

    def _rewards(self, groups: Sequence[Group], judged: Sequence[JudgedGroup]) -> list[float | None]:
        rewards: list[float | None] = []
        for group, one in zip(groups, judged, strict=True):
            if one.rm is None:
                rewards += [None] * len(group.completions)
            else:
                rewards += self._scales.standardised(one.rm, one.scores)[group.members].tolist()
        return rewards

    def _tell(self, judged: Sequence[JudgedGroup], log_metric: Callable[[str, float], None]) -> None:
        """Log what is the same on every rank; TRL takes the mean over them."""
        for name in self._policy.names:
            share = np.mean([one.rm == name for one in judged])
            log_metric(f"{self.__name__}/share/{name}", float(share))
        log_metric(f"{self.__name__}/failed", float(sum(one.rm is None for one in judged)))
        if self.last_rewards:
            log_metric(f"{self.__name__}/bandit_reward", float(np.mean(self.last_rewards)))


def _spread(groups: Sequence[Group], values: Sequence[Any]) -> list[Any]:
    """Return each group's value once per completion."""
    return [value for group, value in zip(groups, values, strict=True) for _ in group.completions]
