"""The fusions: principal components against scikit-learn's, and the authors' layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from rewardrouter.offline.fusion import LinearFusion, MlpFusion


def features(n_rows: int, n_features: int, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    spread = np.linspace(3, 0.5, n_features)  # distinct variances: components are unique up to sign
    return torch.from_numpy((random.normal(size=(n_rows, n_features)) * spread + 1).astype(np.float32))


@pytest.mark.parametrize("shape", [(60, 12), (12, 60), (20, 20)])
@pytest.mark.parametrize("width", [1, 5])
def test_components_are_those_of_sklearn_up_to_sign(shape, width):
    x, unseen = features(*shape), features(7, shape[1], seed=1)
    fusion = LinearFusion.fitted(x, width)
    reference = PCA(width, svd_solver="full").fit(x.double().numpy())
    signs = np.sign((fusion.components.numpy() * reference.components_.T).sum(0))
    for rows in (x, unseen):
        h = fusion(rows).numpy()
        np.testing.assert_allclose(
            h[:, :-1] * signs, reference.transform(rows.double().numpy()), rtol=2e-4, atol=2e-4
        )
        assert (h[:, -1] == 1).all()
    assert fusion.width == width + 1


@pytest.mark.parametrize("shape", [(60, 12), (12, 60)])
def test_directions_that_the_training_pairs_do_not_span_are_left_out(shape):
    fusion = LinearFusion.fitted(features(*shape), 500)
    rank = min(shape[0] - 1, shape[1])
    assert fusion.width == rank + 1
    gram = fusion.components.T @ fusion.components
    torch.testing.assert_close(gram, torch.eye(rank), atol=1e-5, rtol=0)


def test_a_repeated_feature_adds_no_direction():
    x = features(50, 6)
    assert LinearFusion.fitted(torch.cat([x, x], dim=1), 100).width == 7


def test_features_that_never_vary_leave_the_constant_alone():
    fusion = LinearFusion.fitted(torch.zeros(10, 4), 3)
    assert torch.equal(fusion(torch.randn(2, 4)), torch.ones(2, 1))


def test_the_mlp_is_linear_relu_layernorm():
    torch.manual_seed(0)
    fusion = MlpFusion(6, 4, 0.5).eval()
    x = torch.randn(3, 6)
    raw = torch.relu(x @ fusion.linear.weight.T + fusion.linear.bias)
    spread = (raw.var(1, correction=0, keepdim=True) + fusion.norm.eps).sqrt()
    torch.testing.assert_close(fusion(x), (raw - raw.mean(1, keepdim=True)) / spread)
    assert fusion.width == 4
    assert not torch.equal(fusion.train()(x), fusion.eval()(x))  # dropout while it is trained
