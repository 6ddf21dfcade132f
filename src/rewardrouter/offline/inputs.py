"""What the fusion reads, fitted to training pairs: features of the pair, and the agreement of surrogates."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from rewardrouter.config.offline import FeatureConfig
from rewardrouter.offline.features import PairFeatures
from rewardrouter.offline.surrogates import Surrogates, surrogate_targets
from rewardrouter.offline.vectors import Block, PairVectors
from rewardrouter.verdicts import VerdictTable


@dataclasses.dataclass(frozen=True)
class FusionInputs:
    """Features and surrogates, and what they say of the P pairs that they were fitted to.

    ``rows`` is ``float32 [P, F]``: the features, then the agreement. The latter is cross-fitted by group,
    so on these pairs it is not what ``surrogates(...)`` gives, but what it gives on pairs like them.
    """

    features: PairFeatures
    surrogates: Surrogates | None
    rows: Tensor

    @property
    def size(self) -> int:
        """F, the number of columns of ``rows``."""
        return self.rows.shape[1]


def fit_inputs(
    blocks: tuple[Block, ...], vectors: PairVectors, table: VerdictTable, config: FeatureConfig, seed: int
) -> FusionInputs:
    """Fit features and surrogates, as far as ``config`` asks for them, to P training pairs.

    Parameters
    ----------
    blocks
        Of the vectors.
    vectors
        Of the P pairs' texts.
    table
        The P pairs' verdicts, which the surrogates imitate.
    config
        Settings.
    seed
        Of the surrogates' cross-fitting.

    Raises
    ------
    DataError
        If there are too few groups to cross-fit surrogates.
    """
    features = PairFeatures(blocks)
    if config.standardise:
        features.fit(vectors)
    rows = features(vectors.a, vectors.b)
    if not config.surrogates:
        return FusionInputs(features, None, rows)
    surrogates, agreement = Surrogates.fitted(
        blocks,
        vectors,
        rows,
        surrogate_targets(table),
        [str(group) for group in table.groups],
        config.surrogate_weight,
        seed,
    )
    return FusionInputs(features, surrogates, torch.cat([rows, agreement], dim=1))
