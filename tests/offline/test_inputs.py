"""What the fusion reads: features, then agreement, each only where asked for."""

from __future__ import annotations

import pytest
import torch
from small_tables import BLOCKS, routable

from rewardrouter.config.offline import FeatureConfig
from rewardrouter.offline.features import PairFeatures
from rewardrouter.offline.inputs import fit_inputs
from rewardrouter.offline.surrogates import Surrogates, surrogate_targets

VECTORS, TABLE = routable(60, 0)


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("surrogates", [True, False])
def test_rows_are_features_and_cross_fitted_agreement(standardise, surrogates):
    config = FeatureConfig(standardise=standardise, surrogates=surrogates, surrogate_weight=0.7)
    inputs = fit_inputs(BLOCKS, VECTORS, TABLE, config, seed=3)
    features = PairFeatures(BLOCKS)
    if standardise:
        features.fit(VECTORS)
    expected = features(VECTORS.a, VECTORS.b)
    assert torch.equal(inputs.features(VECTORS.a, VECTORS.b), expected)
    if surrogates:
        fitted, agreement = Surrogates.fitted(
            BLOCKS, VECTORS, expected, surrogate_targets(TABLE), TABLE.groups.tolist(), 0.7, 3
        )
        assert torch.equal(inputs.surrogates.weights, fitted.weights)
        expected = torch.cat([expected, agreement], dim=1)
    else:
        assert inputs.surrogates is None
    assert torch.equal(inputs.rows, expected)
    assert inputs.size == expected.shape[1]
