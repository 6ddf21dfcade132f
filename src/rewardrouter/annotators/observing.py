"""What a routed annotator can observe beside its policy's loss, at a constant number of calls per pair.

========  ============================================================================================
kind      what is observed, z on the scale of the prior (:mod:`rewardrouter.online.likelihood`)
========  ============================================================================================
margin    of the RM that answered: ``2 / D (P(right | margin, h) - expected)``, see ``annotators.margins``
gold      on a rare pair whose right label is known: all RMs are asked, ``2 / d (right_n - mean right)`` of each
probe     on a rare pair: all RMs are asked, the same with the majority's label in place of the right one
loss      the paper's reward r in [0, 1] (App. B), as ``2 / D r``, less a learnt offset
========  ============================================================================================

Where two RMs disagree (with probability D), exactly one is right; with Eq. 2 linearised at equal strengths,
``sigmoid(s_n - s_m) = 1/2 + (s_n - s_m) / 4``, the difference of their P(right) is ``D (s_n - s_m) / 2``. On a pair
that a RMs judged rightly and b wrongly, D is ``d = 2ab / (N (N - 1))``, the share of couples, of the N that answered,
that it divides. One on which all agree says nothing of them. Every z but the loss's is centred between the RMs.

For RMs that err independently, gold's z is one Newton step, from equal strengths, of the exact likelihood of who is
right given that a are. Its information is that of noise of variance ``2 / d``, so d is its relative precision: where
one RM stands against eight, z is large but counts little (``d z`` never exceeds 2).

Pairs are drawn for gold and probes by seed, each by itself. A pair is likelier to be probed where the two best RMs are
hard to tell apart, between 1/2 and 3/2 of the share; its weight is the share over that probability, so that probes
count as if they were spread evenly. *The majority may be wrong together*: where RMs share a bias, probes teach it.

Observations are made when the pair is annotated and taught with its outcome: a pair that was never trained on
teaches nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from rewardrouter.annotators.base import Annotation, StepContext
from rewardrouter.annotators.cascade import CalibratedScorer, margin_of
from rewardrouter.annotators.decisions import Settled
from rewardrouter.annotators.margins import MarginModel
from rewardrouter.annotators.observations import KINDS, Kind, Observation
from rewardrouter.annotators.seeding import pair_generator
from rewardrouter.calibration import Signals
from rewardrouter.errors import ConfigError
from rewardrouter.online.arrays import Floats, Mask
from rewardrouter.online.likelihood import Likelihood, Terms
from rewardrouter.online.posterior import Scores
from rewardrouter.online.slope import Slope, SlopeWatch
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.pairs import Label, PreferencePair
from rewardrouter.reward_models.base import RewardModel
from rewardrouter.state import State
from rewardrouter.verdicts import Verdict

AUDIT_SHARE = 0.03
PROBE_SHARE = 0.1


@dataclasses.dataclass(frozen=True, slots=True)
class Drawn:
    """The pairs of a call that all RMs are asked about: ``gold`` labels, and ``probability`` of probing, NaN: not."""

    gold: tuple[Label | None, ...]
    probability: Floats

    @property
    def asked(self) -> Mask:
        """``bool [B]``: whether all RMs are asked."""
        return np.array([label is not None for label in self.gold], np.bool_) | np.isfinite(self.probability)


class Observer:
    """Draws pairs for gold and probes, and turns verdicts into observations.

    Parameters
    ----------
    kinds
        What is observed, of :data:`KINDS`.
    arms
        The RMs that are asked where all are.
    router
        Whose held-out pairs calibrate margins, and give D.
    gold
        Knows right labels: anything that judges pairs, a verifier for example. Needed for the kind ``gold``; a pair
        that it does not label is not audited.
    audit, probes
        Shares of the pairs.
    seed
        Of the draws.

    Raises
    ------
    ConfigError
        If a kind is unknown, or ``gold`` is missing.
    """

    def __init__(
        self,
        kinds: Sequence[Kind],
        arms: Sequence[str],
        router: CalibratedScorer,
        *,
        gold: RewardModel | None = None,
        audit: float = AUDIT_SHARE,
        probes: float = PROBE_SHARE,
        seed: int = 0,
    ) -> None:
        if unknown := [kind for kind in kinds if kind not in KINDS]:
            raise ConfigError(f"reward: no kind {', '.join(unknown)}; there are {', '.join(KINDS)}")
        if "gold" in kinds and gold is None:
            raise ConfigError(
                "reward=gold: nothing here knows the right label of any pair; give labelled pairs or a verifier,"
                " or leave gold out"
            )
        self.kinds = tuple(kind for kind in KINDS if kind in kinds)
        self.likelihood = Likelihood(self.kinds, free=["loss"], compared=["gold", "probe"])
        self._arms, self._router, self._gold = tuple(arms), router, gold
        self._audit, self._probes, self._seed = audit, probes, seed
        self._margins = MarginModel(router.held_out)
        self._watch = SlopeWatch()
        self._scale = 2.0 / self._margins.disagreement

    @property
    def slopes(self) -> Mapping[str, Slope]:
        """The calibration slope of margins on the router's ``held_out`` pairs and, once looked at, on ``gold`` ones."""
        watched = {} if self._watch.slope is None else {"gold": self._watch.slope}
        return {"held_out": self._margins.slope, **watched} if "margin" in self.kinds else {}

    @property
    def trusts_margins(self) -> bool:
        """Whether margins count: proven on the held-out pairs, and not refuted by gold labels."""
        return self._margins.slope.proven and not self._watch.refuted

    def draw(self, pairs: Sequence[PreferencePair], step: StepContext, scores: Scores | None) -> Drawn:
        """Return the pairs that all RMs are asked about; ``scores`` of the arms ``[B, N]`` decide about probes."""
        uniform = np.array([self._generator(pair, step).random(2) for pair in pairs]).reshape(-1, 2)
        gold: list[Label | None] = [None] * len(pairs)
        if "gold" in self.kinds and self._gold is not None:
            drawn = np.flatnonzero(uniform[:, 0] < self._audit).tolist()
            for row, verdict in zip(drawn, self._gold.judge([pairs[row] for row in drawn]), strict=True):
                gold[row] = verdict.label
        probability = np.full(len(pairs), np.nan)
        if scores is not None:
            likely = np.minimum(self._probes * (0.5 + _doubt(scores)), 1.0)
            probability = np.where(uniform[:, 1] < likely, likely, np.nan)
        return Drawn(tuple(gold), probability)

    @property
    def probes(self) -> bool:
        """Whether it probes, so that :meth:`draw` needs scores."""
        return "probe" in self.kinds

    def observe(
        self,
        drawn: Drawn,
        pairs: Sequence[PreferencePair],
        annotations: Sequence[Annotation],
    ) -> list[tuple[Observation, ...]]:
        """Return what is observed of each pair, but for its loss."""
        heard = [
            {v.rm: v for v in one.verdicts if v.rm in self._arms and v.label is not None}
            for one in annotations
        ]
        found: list[list[Observation]] = [[] for _ in pairs]
        if "margin" in self.kinds:
            self._observe_margins(self._router.signals(pairs), drawn, annotations, heard, found)
        for own, verdicts, gold, probability in zip(
            found, heard, drawn.gold, drawn.probability.tolist(), strict=True
        ):
            if gold is not None:
                own += _compared("gold", verdicts, gold)
            if math.isfinite(probability) and (label := _majority(verdicts)):
                own += _compared("probe", verdicts, label, self._probes / probability)
        return [tuple(own) for own in found]

    def teach(self, sampler: ThompsonSampler, settled: Settled, rewards: Floats) -> Floats:
        """Teach a sampler all observations of a settled batch; ``rewards [n]`` are those of the losses.

        Returns
        -------
        ``float64 [n]``: the claims about the RMs that answered, weighted as they counted; NaN where there is none.
        """
        index = {name: n for n, name in enumerate(sampler.names)}
        taken: list[tuple[int, Observation]] = []
        for row, (decision, reward) in enumerate(zip(settled.decisions, rewards.tolist(), strict=True)):
            own = list(decision.observations)
            if "loss" in self.kinds and math.isfinite(reward):
                own.append(Observation("loss", decision.rm, self._scale * reward, reward))
            taken += [(row, one) for one in own if one.kind != "margin" or self.trusts_margins]
        terms = Terms(
            rows=np.array([row for row, _ in taken], np.int64),
            arms=np.array([index[one.rm] for _, one in taken], np.int64),
            kinds=np.array([self.kinds.index(one.kind) for _, one in taken], np.int64),
            values=np.array([one.value for _, one in taken]),
            weights=np.array([one.weight for _, one in taken]),
            precisions=np.array([one.precision for _, one in taken]),
        )
        claims = self._claims(settled, taken)
        combined = self.likelihood.combine(sampler.scores(settled.contexts), terms)
        scale = np.sqrt(combined.precision * sampler.posteriors.noise_variance)
        contexts = settled.contexts[combined.rows] * scale[:, None]
        sampler.update(contexts, combined.arms, combined.rewards * scale)
        return claims

    def as_json(self) -> dict[str, Any]:
        """Return noise variance and offset per kind, and what the calibration test of margins says, for records."""
        learnt = self.likelihood
        found: dict[str, Any] = {
            "noise_variance": dict(zip(self.kinds, learnt.noise_variances.tolist(), strict=True)),
            "offset": dict(zip(self.kinds, learnt.offsets.tolist(), strict=True)),
        }
        if slopes := self.slopes:
            found["margin_calibration_slope"] = {
                where: {"slope": one.value, "standard_error": one.error, "pairs": one.pairs}
                for where, one in slopes.items()
            }
            found["margins_used"] = self.trusts_margins
        return found

    def state_dict(self) -> State:
        """Return what was learnt of the noise, and the audited margins."""
        return State.joined(likelihood=self.likelihood.state_dict(), watch=self._watch.state_dict())

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken; raise ``CheckpointError`` where it does not fit."""
        self.likelihood.load_state_dict(state.part("likelihood"))
        self._watch.load_state_dict(state.part("watch"))

    def _generator(self, pair: PreferencePair, step: StepContext) -> np.random.Generator:
        other_seed = int(np.random.SeedSequence([self._seed, 2]).generate_state(1)[0])
        return pair_generator(other_seed, pair, step)

    def _observe_margins(
        self,
        signals: Signals,
        drawn: Drawn,
        annotations: Sequence[Annotation],
        heard: Sequence[Mapping[str, Verdict]],
        found: Sequence[list[Observation]],
    ) -> None:
        place = {rm: n for n, rm in enumerate(self._router.arms)}
        margins = np.full((len(annotations), len(place)), np.nan)
        for row, verdicts in enumerate(heard):
            for rm, verdict in verdicts.items():
                margins[row, place[rm]] = margin_of(verdict)
        log_odds, expected = self._margins.log_odds(signals, margins), self._margins.expected(signals)
        for row, one in enumerate(annotations):
            if one.rm is not None:
                claim = float(expit(log_odds[row, place[one.rm]]))
                value = self._scale * (claim - float(expected[row]))
                found[row].append(Observation("margin", one.rm, value, claim))
            if (gold := drawn.gold[row]) is not None:
                given = sorted(heard[row])
                right = np.array([float(heard[row][rm].label == gold) for rm in given])
                self._watch.add(log_odds[row, [place[rm] for rm in given]], right)

    def _claims(self, settled: Settled, taken: Sequence[tuple[int, Observation]]) -> Floats:
        noise = dict(zip(self.kinds, self.likelihood.noise_variances.tolist(), strict=True))
        total, weight = np.zeros(len(settled.decisions)), np.zeros(len(settled.decisions))
        for row, one in taken:
            if one.rm == settled.decisions[row].rm:
                counted = one.weight * one.precision / noise[one.kind]
                total[row] += one.claim * counted
                weight[row] += counted
        return np.where(weight > 0, total / np.maximum(weight, np.finfo(np.float64).tiny), np.nan)


def _compared(
    kind: Kind, verdicts: Mapping[str, Verdict], label: Label, weight: float = 1.0
) -> list[Observation]:
    """Return one observation per RM that answered; none where all said the same."""
    right = {rm: float(verdict.label == label) for rm, verdict in sorted(verdicts.items())}
    if len(set(right.values())) < 2:
        return []
    n, mean = len(right), sum(right.values()) / len(right)
    divided = 2.0 * mean * (1.0 - mean) * n / (n - 1)
    return [
        Observation(kind, rm, 2.0 * (value - mean) / divided, value, weight, divided)
        for rm, value in right.items()
    ]


def _majority(verdicts: Mapping[str, Verdict]) -> Label | None:
    for_a = sum(verdict.label == "A" for verdict in verdicts.values())
    if 2 * for_a == len(verdicts):
        return None
    return "A" if 2 * for_a > len(verdicts) else "B"


def _doubt(scores: Scores) -> Floats:
    """Return how hard the two best arms are to tell apart, ``[B]``: 1 for equals, 0 for certainty."""
    if scores.mean.shape[1] < 2:
        return np.zeros(len(scores.mean))
    order = np.argsort(-scores.mean, axis=1, kind="stable")[:, :2]
    mean, variance = (np.take_along_axis(x, order, axis=1) for x in (scores.mean, scores.variance))
    spread = np.sqrt(np.maximum(variance.sum(axis=1), np.finfo(np.float64).tiny))
    doubt: Floats = 2.0 * ndtr(-(mean[:, 0] - mean[:, 1]) / spread)
    return doubt
