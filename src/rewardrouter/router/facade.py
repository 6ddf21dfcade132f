"""BayesianRouter: which reward model to trust on which pair.

>>> router = BayesianRouter.from_pretrained("router")          # doctest: +SKIP
>>> router.rank(pairs)[0]                                      # doctest: +SKIP
('GRM-Gemma-2B', 'RM-Mistral-7B', ...)
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from rewardrouter.config.offline import OfflineConfig
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.model import OfflineModel
from rewardrouter.offline.prepared import CutReport
from rewardrouter.offline.validation import Validation
from rewardrouter.offline.vectors import encode_pairs
from rewardrouter.pairs import PreferencePair
from rewardrouter.progress import counted
from rewardrouter.router.arms import Arm


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


@dataclasses.dataclass(frozen=True)
class Scored:
    """Contexts and scores of P pairs.

    ``contexts`` is h, ``float64 [P, d]``; ``scores`` the BT strengths, ``float64 [P, N]``, logits;
    ``correctness`` the classification head's P(RM is right), ``float64 [P, N]``, ``None`` without that head.
    """

    contexts: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    correctness: npt.NDArray[np.float64] | None
    cuts: CutReport


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
        *,
        cache: EmbeddingCache | None = None,
        show_progress: bool = False,
    ) -> None:
        self.encoder = encoder
        self.model = model.eval()
        self.arm_records = tuple(arm_records)
        self.config = config
        self.training = training
        self.cache = cache
        self.show_progress = show_progress

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of the N reward models."""
        return tuple(arm.name for arm in self.arm_records)

    @property
    def prior_mean(self) -> npt.NDArray[np.float64]:
        """E_bt, ``float64 [N, d]``: what the online router starts from (paper 3.4)."""
        return self.model.heads.embeddings.detach().double().numpy()

    def score(self, pairs: Sequence[PreferencePair]) -> Scored:
        """Return contexts and scores of P pairs (paper 3.2); the responses' order changes neither."""
        with counted("encode") if self.show_progress else contextlib.nullcontext() as told:
            vectors, cuts = encode_pairs(
                self.encoder, pairs, self.config.features, cache=self.cache, progress=told
            )
        with torch.no_grad():
            h = self.model.contexts(vectors.a, vectors.b)
            scores, logits = self.model.heads.scores(h), self.model.heads.logits(h)
        return Scored(
            contexts=h.double().numpy(),
            scores=scores.double().numpy(),
            correctness=None if logits is None else torch.sigmoid(logits).double().numpy(),
            cuts=cuts,
        )

    def scores(self, pairs: Sequence[PreferencePair]) -> npt.NDArray[np.float64]:
        """Return the BT strengths ``s_n = <h, E_bt[n]>`` (paper Eq. 2), ``float64 [P, N]``."""
        return self.score(pairs).scores

    def rank(self, pairs: Sequence[PreferencePair]) -> list[tuple[str, ...]]:
        """Return the arms of each pair, most trusted first."""
        order = np.argsort(-self.scores(pairs), axis=1, kind="stable")
        return [tuple(self.arms[n] for n in row) for row in order]

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
