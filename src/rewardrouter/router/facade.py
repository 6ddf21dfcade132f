"""BayesianRouter: which reward model to trust on which pair.

>>> router = BayesianRouter.from_pretrained("router")          # doctest: +SKIP
>>> router.rank(pairs)[0]                                      # doctest: +SKIP
('GRM-Gemma-2B', 'RM-Mistral-7B', ...)
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import operator
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from rewardrouter.calibration.beliefs import EvidenceModel
from rewardrouter.calibration.heldout import HeldOut, Signals
from rewardrouter.config.offline import OfflineConfig
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.features import PairFeatures
from rewardrouter.offline.joining import STRENGTH
from rewardrouter.offline.model import OfflineModel
from rewardrouter.offline.prepared import CutReport
from rewardrouter.offline.validation import Validation
from rewardrouter.offline.vectors import PairVectors, blocks_of, encode_pairs
from rewardrouter.online.shift import ContextReference
from rewardrouter.pairs import PreferencePair, check_pairs
from rewardrouter.phases import phase
from rewardrouter.progress import counted
from rewardrouter.router.arms import Arm
from rewardrouter.router.problems import Problems
from rewardrouter.verdicts import VerdictTable


@dataclasses.dataclass(frozen=True)
class Training:
    """What a router was fitted on and how well it validated: the content of its model card."""

    source: str
    n_pairs: int
    n_groups: int
    n_disagreement: int
    domains: dict[str, int]
    cuts: list[str]
    report: list[str]
    seconds: float
    validation: Validation
    problems: Problems

    def knows(self, pairs: Sequence[PreferencePair]) -> npt.NDArray[np.bool_]:
        """Return ``bool [P]``: whether a pair shares its prompt or group with one that the router was fitted to."""
        return self.problems.knows(pairs)


@dataclasses.dataclass(frozen=True)
class Scored:
    """Contexts and scores of P pairs.

    ``contexts`` is h, ``float64 [P, d]``; ``scores`` the BT strengths, ``float64 [P, N]``, logits;
    ``correctness`` the classification head's P(RM is right), ``float64 [P, N]``, ``None`` without that head;
    ``signals`` what calibrated evidence starts from.
    """

    contexts: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    correctness: npt.NDArray[np.float64] | None
    signals: Signals
    cuts: CutReport


_REMEMBERED = 4096
"""Most pairs whose scores are kept until others are scored: a training step's, not a file's."""


class BayesianRouter:
    """Encoder, offline model and arms.

    Attributes
    ----------
    config
        The settings that it was fitted with.
    arms
        Names of the N reward models, in the order of all arrays.
    arm_records
        What training saw of each.
    held_out
        Pairs with verdicts, scored by models that did not see them: what verdicts are calibrated on.
    reference
        What the fitting pairs' contexts looked like, for the test of :mod:`rewardrouter.online.shift`.
    cache
        Keeps the vectors of texts on disk; ``None`` keeps nothing.
    show_progress
        Whether encoding many pairs is shown on stderr.
    """

    def __init__(
        self,
        encoder: PairEncoder,
        model: OfflineModel,
        arm_records: Sequence[Arm],
        config: OfflineConfig,
        training: Training,
        held_out: HeldOut,
        *,
        reference: ContextReference | None = None,
        cache: EmbeddingCache | None = None,
        show_progress: bool = False,
    ) -> None:
        self.encoder = encoder
        encoder.freeze()
        self.model = model.eval()
        self.arm_records = tuple(arm_records)
        self.config = config
        self.training = training
        self.held_out = held_out
        self.reference = reference
        self.cache = cache
        self.show_progress = show_progress
        self._latest: tuple[str, tuple[PreferencePair, ...], Scored | None] = ("", (), None)

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of the N reward models."""
        return tuple(arm.name for arm in self.arm_records)

    @property
    def prior_mean(self) -> npt.NDArray[np.float64]:
        """E_bt, ``float64 [N, d]``: what the online router starts from (paper 3.4)."""
        return self.model.heads.embeddings.detach().double().numpy()

    @functools.cached_property
    def evidence(self) -> EvidenceModel:
        """What the verdicts of each RM are worth, and how they add up; fitted to ``held_out`` when first asked for."""
        return EvidenceModel.fit(self.held_out)

    def score(self, pairs: Sequence[PreferencePair]) -> Scored:
        """Return contexts and scores of P pairs (paper 3.2); the responses' order changes neither.

        Asked about the same pairs again, as a strategy is that wants contexts, scores and signals of one batch, it
        answers from memory.

        Raises
        ------
        DataError
            If something in ``pairs`` is no pair.
        """
        check_pairs(pairs)
        weights = self.encoder.identity
        encoded_by, known, scored = self._latest
        if (
            scored is not None
            and encoded_by == weights
            and len(known) == len(pairs)
            and all(map(operator.is_, known, pairs))
        ):
            return scored
        with phase("encode"), counted("encode") if self.show_progress else contextlib.nullcontext() as told:
            vectors, cuts = encode_pairs(
                self.encoder, pairs, self.config.features, cache=self.cache, progress=told
            )
        scored = self.score_vectors(vectors, cuts)
        if len(pairs) <= _REMEMBERED:
            self._latest = (weights, tuple(pairs), scored)
        return scored

    def score_vectors(self, vectors: PairVectors, cuts: CutReport) -> Scored:
        """Return contexts and scores of P pairs that were encoded before (``offline.vectors.encode_pairs``)."""
        with torch.no_grad():
            h = self.model.contexts(vectors.a, vectors.b)
            scores, logits = self.model.heads.scores(h), self.model.heads.logits(h)
            reading = self.model.reading(vectors.a, vectors.b)
        return Scored(
            contexts=h.double().numpy(),
            scores=scores.double().numpy(),
            correctness=None if logits is None else torch.sigmoid(logits).double().numpy(),
            signals=Signals.of(
                scores.double().numpy(),
                None if logits is None else logits.double().numpy(),
                None if reading is None else reading.double().numpy(),
            ),
            cuts=cuts,
        )

    def contexts(self, pairs: Sequence[PreferencePair]) -> npt.NDArray[np.float64]:
        """Return h (paper 3.2), ``float64 [P, d]``: what a bandit sees of a pair."""
        return self.score(pairs).contexts

    def encoder_features(self, pairs: Sequence[PreferencePair]) -> npt.NDArray[np.float64]:
        """Return what the encoder gives before anything of ours is fitted on it, ``float64 [P, F]``.

        ``[e + e' ; |e - e'|]`` of each block of the encoder (``e + e'`` for a block of the prompt), every row
        brought to Euclidean length 1; no text statistics, no standardisation, no surrogates. Of a router whose
        encoder was trained it is that encoder's.
        """
        alone = self.config.features.model_copy(update={"statistics": False})
        with phase("encode"), counted("encode") if self.show_progress else contextlib.nullcontext() as told:
            vectors, _ = encode_pairs(self.encoder, pairs, alone, cache=self.cache, progress=told)
        raw = PairFeatures(blocks_of(self.encoder, alone))(vectors.a, vectors.b)  # not fitted: as they are
        return torch.nn.functional.normalize(raw.double(), dim=1).numpy()

    def scores(self, pairs: Sequence[PreferencePair]) -> npt.NDArray[np.float64]:
        """Return the BT strengths ``s_n = <h, E_bt[n]>`` (paper Eq. 2), ``float64 [P, N]``."""
        return self.score(pairs).scores

    def signals(self, pairs: Sequence[PreferencePair]) -> Signals:
        """Return what the router says of P pairs before any RM is asked: scores, beliefs, and its own reading."""
        return self.score(pairs).signals

    def shift(self, contexts: npt.NDArray[np.float64]) -> float:
        """Return how far contexts ``[P, d]`` are from those that it was fitted to.

        The mean, over pairs and coordinates, of the squared distance from the fitting pairs' mean in units of their
        variance: 1 on those pairs, more on pairs that look different. Coordinates that did not vary are left out.
        """
        model = self.model
        mean, spread = (v.double().numpy() for v in (model.context_mean, model.context_spread))
        varied = spread > 1e-6 * max(1.0, float(spread.max()))
        if not varied.any() or len(contexts) == 0:
            return float("nan")
        return float((((contexts - mean)[:, varied] / spread[varied]) ** 2).mean())

    def rank(self, pairs: Sequence[PreferencePair]) -> list[tuple[str, ...]]:
        """Return the arms of each pair, most trusted first."""
        order = np.argsort(-self.scores(pairs), axis=1, kind="stable")
        return [tuple(self.arms[n] for n in row) for row in order]

    def with_arm(
        self, name: str, table: VerdictTable | None = None, *, strength: float = STRENGTH
    ) -> BayesianRouter:
        """Return a router with one more arm, learnt from few labelled pairs or none: ``router.changing.with_arm``."""
        from rewardrouter.router.changing import with_arm

        return with_arm(self, name, table, strength=strength)

    def without_arm(self, name: str) -> BayesianRouter:
        """Return a router without an arm: ``router.changing.without_arm``."""
        from rewardrouter.router.changing import without_arm

        return without_arm(self, name)

    def save_pretrained(self, folder: Path | str) -> None:
        """Write the router to ``folder`` (see :mod:`rewardrouter.router.files`)."""
        from rewardrouter.router.files import save_router

        save_router(self, Path(folder))

    @classmethod
    def from_pretrained(
        cls,
        folder: Path | str,
        *,
        device: str = "auto",
        cache: EmbeddingCache | None = None,
        show_progress: bool = False,
    ) -> BayesianRouter:
        """Load a router from ``folder``; ``device`` is where its encoder runs.

        Raises
        ------
        CheckpointError
            If the folder is not a whole router, or its parts do not fit each other.
        """
        from rewardrouter.router.files import load_router

        router = load_router(Path(folder), device)
        router.cache = cache
        router.show_progress = show_progress
        return router
