"""The machine that every learning annotator shares: a bandit chooses the RM, outcomes teach the bandit.

    annotate:  contexts -> one draw -> the RM of the highest score, failing over by the same draw -> pending
    observe:   outcomes -> settled batches, in order -> bandit rewards -> the policy's update

Only the arm that answered learns. A strategy is a choice of four parts: the bandit
(:class:`~rewardrouter.online.policy.BanditPolicy`), what it sees of a pair
(:data:`~rewardrouter.annotators.contexts.ContextSource`), what a label was worth
(:class:`~rewardrouter.annotators.rewards.Reward`), and what one choice is for
(:data:`~rewardrouter.annotators.choosing.Per`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from rewardrouter.annotators.base import Annotation, DecisionId, Outcome, StepContext
from rewardrouter.annotators.calling import call_until_answered
from rewardrouter.annotators.choosing import CHOOSING, Per
from rewardrouter.annotators.contexts import ContextSource, KnowsItsPairs
from rewardrouter.annotators.decisions import Decision, PendingDecisions
from rewardrouter.annotators.observations import Observation
from rewardrouter.annotators.observing import Drawn, Observer
from rewardrouter.annotators.references import ask
from rewardrouter.annotators.rewards import Reward
from rewardrouter.annotators.watching import ShiftWatch
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.advantage import ReferenceSampler
from rewardrouter.online.arrays import Floats, Indices
from rewardrouter.online.policy import BanditPolicy
from rewardrouter.online.posterior import Scores
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.state import State
from rewardrouter.verdicts import Verdict


class RoutedAnnotator:
    """Labels each pair with the RM that a bandit chooses for it.

    Parameters
    ----------
    pool
        Holds all the policy's arms; others in it are never called.
    policy
        The bandit.
    contexts
        What the bandit sees.
    reward
        What it learns from.
    per
        What one choice is for (:mod:`rewardrouter.annotators.choosing`). With ``"batch"`` use a reward that is not
        centred in the batch (:class:`~rewardrouter.annotators.rewards.BatchLossReward`): a centred one would be
        constant.
    references
        RMs asked for comparison, before the choice: those that a sampler draws per pair, or ``"all"``.
    observer
        What is learnt from beside, or in place of, the reward (:mod:`rewardrouter.annotators.observing`).

    Raises
    ------
    ConfigError
        If an arm is not in the pool, there are fewer arms than references to draw, or an observer is given where the
        bandit is not Thompson sampling per pair.
    """

    def __init__(
        self,
        pool: RewardModelPool,
        policy: BanditPolicy,
        contexts: ContextSource,
        reward: Reward,
        *,
        per: Per = "pair",
        references: ReferenceSampler | Literal["all"] | None = None,
        observer: Observer | None = None,
    ) -> None:
        if per not in CHOOSING:
            raise ConfigError(f"per: expected pair or batch, found {per!r}")
        self._pool = pool.select(policy.names)
        self._policy = policy
        self._contexts = contexts
        self._reward = reward
        self._per, self._choosing = per, CHOOSING[per]
        self._references = references
        if observer is not None and (per == "batch" or not isinstance(policy, ThompsonSampler)):
            raise ConfigError("an observer teaches Thompson sampling per pair; leave it out here")
        self._observer = observer
        if isinstance(references, ReferenceSampler):
            references.draw(0, len(policy.names))  # draws nothing, but refuses a pool that is too small
        self._watch = ShiftWatch.of(contexts)
        self._pending = PendingDecisions()
        self._last_contexts: Floats | None = None
        self._last_rewards: dict[DecisionId, float] = {}

    @property
    def policy(self) -> BanditPolicy:
        """The bandit."""
        return self._policy

    @property
    def contexts(self) -> ContextSource:
        """What the bandit sees of pairs."""
        return self._contexts

    @property
    def watch(self) -> ShiftWatch | None:
        """The test whether pairs have left those of the fit; ``None`` where contexts are not the router's."""
        return self._watch

    @property
    def observer(self) -> Observer | None:
        """What is learnt from beside, or in place of, the reward."""
        return self._observer

    @property
    def forgotten(self) -> int:
        """The labels whose outcomes never came and are not waited for any longer."""
        return self._pending.forgotten

    @property
    def last_rewards(self) -> Mapping[DecisionId, float]:
        """The bandit rewards that the last :meth:`observe` gave out; a refused loss has none."""
        return self._last_rewards

    def beliefs(self) -> Scores | None:
        """Return what is believed now of every arm's score on the pairs of the last :meth:`annotate`, ``[B, N]``.

        ``None`` before the first, and right after :meth:`load_state_dict`.
        """
        return None if self._last_contexts is None else self._policy.scores(self._last_contexts)

    def shift(self) -> float | None:
        """Return how unlike the pairs of the last :meth:`annotate` are to those that the router was fitted to.

        1 is like them; ``None`` before the first, and where contexts are not the router's.
        """
        if self._last_contexts is None or not isinstance(self._contexts, KnowsItsPairs):
            return None
        found = self._contexts.shift(self._last_contexts)
        return found if math.isfinite(found) else None

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the labels of the chosen RMs; a failed or tied one gives way to the next best of the same draw."""
        if not pairs:
            return []
        contexts = self._contexts(pairs, step)
        observer = self._observer
        drawn = None
        if observer is not None:
            drawn = observer.draw(pairs, step, self._policy.scores(contexts) if observer.probes else None)
        compared = self._compared(pairs, drawn)
        choice = self._choosing.choice(self._policy, contexts)
        annotations = call_until_answered(
            self._pool, pairs, step, self._policy.names, choice.choose, known=compared
        )
        observed = None if observer is None or drawn is None else observer.observe(drawn, pairs, annotations)
        self._remember(choice.taught(annotations), choice.contexts, compared, observed, step)
        self._last_contexts = contexts
        if self._watch is not None:
            self._watch.see(pairs, contexts, step.batch_id)
        return annotations

    def observe(self, outcomes: Mapping[DecisionId, Outcome]) -> None:
        """Learn from outcomes: each batch at once, when it is settled (:mod:`rewardrouter.annotators.decisions`)."""
        self._last_rewards = {}
        for settled in self._pending.settle(outcomes):
            lessons = self._choosing.lessons(settled, self._reward)
            values = lessons.values
            if self._observer is not None and isinstance(self._policy, ThompsonSampler):
                values = self._observer.teach(self._policy, settled, values)
            else:
                self._policy.update(lessons.contexts, self._arms(lessons.rms), lessons.rewards)
            self._note(settled.decisions, values)

    def state_dict(self) -> State:
        """Return policy, reward, pending decisions and the reference sampler's generator."""
        parts = {
            "policy": self._policy.state_dict(),
            "reward": self._reward.state_dict(),
            "pending": self._pending.state_dict(),
        }
        if isinstance(self._references, ReferenceSampler):
            parts["references"] = self._references.state_dict()
        if self._observer is not None:
            parts["observer"] = self._observer.state_dict()
        if self._watch is not None:
            parts["watch"] = self._watch.state_dict()
        return State.joined({"kind": self._kind()}, **parts)

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken, to the same choices.

        Raises
        ------
        CheckpointError
            If it is broken, of another strategy or of other arms; nothing is changed then.
        """
        saved = state.value("kind", dict)
        if saved != self._kind():
            raise CheckpointError(
                f"state: of {_told(saved)}, but here is {_told(self._kind())}; give the same strategy"
            )
        before = self.state_dict()
        try:
            self._load_parts(state)
        except CheckpointError:
            self._load_parts(before)
            raise
        self._last_contexts, self._last_rewards = None, {}

    def _load_parts(self, state: State) -> None:
        self._policy.load_state_dict(state.part("policy"))
        self._reward.load_state_dict(state.part("reward"))
        self._pending.load_state_dict(state.part("pending"))
        if isinstance(self._references, ReferenceSampler):
            self._references.load_state_dict(state.part("references"))
        if self._observer is not None:
            self._observer.load_state_dict(state.part("observer"))
        if self._watch is not None:
            self._watch.load_state_dict(state.part("watch"))

    def _kind(self) -> dict[str, Any]:
        references = self._references
        observed = {} if self._observer is None else {"observed": "+".join(self._observer.kinds)}
        return {
            "bandit": type(self._policy).__name__,
            "rewarded": type(self._reward).__name__,
            "per": self._per,
            "compared": references.size if isinstance(references, ReferenceSampler) else references,
            **observed,
        }

    def _compared(self, pairs: Sequence[PreferencePair], drawn: Drawn | None) -> list[dict[str, Verdict]]:
        """Return the verdicts by name, per pair, of the RMs that are asked whatever is chosen."""
        # Drawn over the sorted names: arms in another order are compared alike.
        names = sorted(self._policy.names)
        asked = np.full((len(pairs), len(names)), self._references == "all")
        if isinstance(self._references, ReferenceSampler):
            np.put_along_axis(asked, self._references.draw(len(pairs), len(names)), values=True, axis=1)
        if drawn is not None:
            asked |= drawn.asked[:, None]
        return ask(self._pool, names, asked, pairs)

    def _remember(
        self,
        annotations: Sequence[Annotation | None],
        contexts: Floats,
        compared: Sequence[Mapping[str, Verdict]],
        observed: Sequence[tuple[Observation, ...]] | None,
        step: StepContext,
    ) -> None:
        decisions, labelled = [], []
        for row, (one, verdicts) in enumerate(zip(annotations, compared, strict=True)):
            if one is None or one.label is None or one.rm is None:
                continue
            references = {name: verdict.label for name, verdict in verdicts.items()}
            own = () if observed is None else observed[row]
            decisions.append(
                Decision(one.decision_id, step.batch_id, one.pair_id, one.rm, one.label, references, own)
            )
            labelled.append(row)
        self._pending.remember(decisions, contexts[labelled])

    def _arms(self, rms: Sequence[str]) -> Indices:
        index = {name: n for n, name in enumerate(self._policy.names)}
        return np.array([index[rm] for rm in rms], np.int64)

    def _note(self, decisions: Sequence[Decision], values: Floats) -> None:
        for decision, value in zip(decisions, values.tolist(), strict=True):
            if np.isfinite(value):
                self._last_rewards[decision.decision_id] = value


def _told(kind: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in kind.items())
