"""Pair features: symmetric by construction, standardised per feature, every block of equal weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_tables import BLOCKS, random_vectors

from rewardrouter.offline.features import PairFeatures
from rewardrouter.offline.vectors import PairVectors

SIDES = hnp.arrays(np.float32, (2, 5, 10), elements=st.floats(-1e3, 1e3, width=32))


def fitted(vectors: PairVectors) -> PairFeatures:
    features = PairFeatures(BLOCKS)
    features.fit(vectors)
    return features


@given(SIDES, st.booleans())
def test_exchanging_the_responses_changes_no_bit(sides, standardised):
    a, b = torch.from_numpy(sides)
    features = fitted(random_vectors(20, 0)) if standardised else PairFeatures(BLOCKS)
    assert torch.equal(features(a, b), features(b, a))


def test_sums_and_absolute_differences_and_no_difference_of_the_prompt():
    vectors = random_vectors(5, 0)
    (prompt, a), (_, b) = vectors.a.split([4, 6], dim=1), vectors.b.split([4, 6], dim=1)
    features = PairFeatures(BLOCKS)
    assert features.size == 4 + 2 * 6
    torch.testing.assert_close(
        features(vectors.a, vectors.b), torch.cat([2 * prompt, a + b, (a - b).abs()], dim=1)
    )


def test_standardised_features_have_mean_0_and_every_block_variance_1():
    vectors = random_vectors(400, 1)
    x = fitted(vectors)(vectors.a, vectors.b).double()
    torch.testing.assert_close(x.mean(0), torch.zeros(16, dtype=torch.float64), atol=1e-3, rtol=0)
    variances = x.var(0, correction=0)
    torch.testing.assert_close(variances[:4], torch.full((4,), 1 / 4).double(), atol=2e-3, rtol=0)
    torch.testing.assert_close(variances[4:], torch.full((12,), 1 / 12).double(), atol=2e-3, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_a_feature_that_never_varies_is_0_for_every_pair(value):
    vectors = random_vectors(50, 2)
    for side in (vectors.a, vectors.b):
        side[:, 1] = value
        side[:, 5] = value
    features = fitted(vectors)
    strange = random_vectors(3, 9)
    x = features(strange.a, strange.b)
    assert not x[:, [1, 5, 11]].any()  # the sum in each block, and the absolute difference
    assert x[:, [0, 4, 10]].all()
    assert x.isfinite().all()


def test_a_text_unlike_all_training_texts_is_cut_off_at_five_standard_deviations():
    features = fitted(random_vectors(200, 3))
    x = features(torch.full((1, 10), 1e6), torch.full((1, 10), -1e6))
    weight = torch.tensor([4**-0.5] * 4 + [12**-0.5] * 12)
    torch.testing.assert_close(x[0, 10:], 5 * weight[10:])
    assert (x.abs() <= 5 * weight + 1e-6).all()


def test_standardisation_is_part_of_the_saved_state():
    vectors = random_vectors(50, 4)
    features, other = fitted(vectors), PairFeatures(BLOCKS)
    other.load_state_dict(features.state_dict())
    assert torch.equal(features(vectors.a, vectors.b), other(vectors.a, vectors.b))


def test_a_single_training_pair_has_no_variance_and_no_infinities():
    vectors = random_vectors(1, 5)
    assert not fitted(vectors)(vectors.a, vectors.b).any()
