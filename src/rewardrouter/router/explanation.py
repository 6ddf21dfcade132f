"""Why a pair went to its reward model.

With a linear fusion a difference of two scores is a sum over the pair's
features, so it can be told apart by blocks: what the states of the prompt, of
the responses, the statistics and the surrogates each said, and how much is
simply that one RM is better overall. Beside it stands what calibration says of
the pair (:mod:`rewardrouter.router.evidence`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from rewardrouter.offline.fusion import LinearFusion
from rewardrouter.offline.vectors import PairVectors, blocks_of, encode_pairs
from rewardrouter.pairs import PreferencePair
from rewardrouter.router.evidence import PairEvidence, evidence_of
from rewardrouter.router.facade import BayesianRouter
from rewardrouter.verdicts import Verdict

_NONE: Mapping[str, Verdict] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class ArmView:
    """One arm on one pair: BT score (logits), P(right) of the classification head, training accuracy."""

    name: str
    score: float
    correctness: float | None
    accuracy: float | None
    domain_accuracy: float | None


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The arms on one pair, most trusted first, and why the first leads the second.

    ``lead`` is the difference of their scores, ``spread`` the standard deviation over all arms;
    ``reasons`` are parts that add up to ``lead``, empty where the fusion is not linear. ``evidence`` is ``None`` where
    the router keeps no held-out pairs; its arms are in the order of ``arms``.
    """

    pair_id: str
    domain: str
    arms: tuple[ArmView, ...]
    lead: float
    spread: float
    reasons: dict[str, float]
    evidence: PairEvidence | None
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as plain data."""
        return dataclasses.asdict(self)


def explain_pair(
    router: BayesianRouter, pair: PreferencePair, verdicts: Mapping[str, Verdict] = _NONE
) -> Explanation:
    """Return the scores of one pair, what they are made of, and what ``verdicts``, by the RMs' names, are worth."""
    vectors, cuts = encode_pairs(router.encoder, [pair], router.config.features, cache=router.cache)
    scored = router.score_vectors(vectors, cuts)
    scores = scored.scores[0]
    order = np.argsort(-scores, kind="stable")
    arms = []
    for n in order:
        arm = router.arm_records[n]
        observed, right = arm.by_domain.get(pair.domain, (0, 0))
        arms.append(
            ArmView(
                name=arm.name,
                score=float(scores[n]),
                correctness=None if scored.correctness is None else float(scored.correctness[0, n]),
                accuracy=arm.accuracy,
                domain_accuracy=right / observed if observed else None,
            )
        )
    notes = (
        []
        if not (scored.cuts.prompt_cut or scored.cuts.response_cut or scored.cuts.indistinct)
        else scored.cuts.lines()
    )
    if pair.domain not in router.training.domains:
        notes.append(f"the domain {pair.domain!r} was not in the training data")
    evidence = evidence_of(router, scored, verdicts)
    if evidence is None:
        notes.append("the router keeps no held-out pairs, so nothing is calibrated: fit it again")
    else:
        evidence = dataclasses.replace(evidence, arms=tuple(evidence.arms[n] for n in order))
    return Explanation(
        pair_id=pair.id,
        domain=pair.domain,
        arms=tuple(arms),
        lead=float(scores[order[0]] - scores[order[1]]),
        spread=float(scores.std()),
        reasons=_reasons(router, vectors, int(order[0]), int(order[1])),
        evidence=evidence,
        notes=notes,
    )


def _reasons(router: BayesianRouter, vectors: PairVectors, first: int, second: int) -> dict[str, float]:
    fusion = router.model.fusion
    if not isinstance(fusion, LinearFusion):
        return {}
    with torch.no_grad():
        features = router.model.pair_features(vectors.a, vectors.b)[0].double()
        preference = (router.model.heads.bt[first] - router.model.heads.bt[second]).double()
        parts = (features - fusion.center.double()) * (fusion.components.double() @ preference[:-1])
    reasons = {"better overall": float(preference[-1])}
    start = 0
    for block in blocks_of(router.encoder, router.config.features):
        size = block.size if block.of_prompt else 2 * block.size
        reasons[block.name] = float(parts[start : start + size].sum())
        start += size
    if router.model.surrogates is not None:
        reasons["expected agreement with the human"] = float(parts[start:].sum())
    return reasons
