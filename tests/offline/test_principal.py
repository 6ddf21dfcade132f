"""Principal directions against the singular value decomposition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rewardrouter.offline.principal import principal_directions


@pytest.mark.parametrize("shape", [(30, 8), (8, 30), (10, 10), (1, 5), (5, 1)])
@pytest.mark.parametrize("count", [1, 4, 100])
def test_directions_are_the_leading_right_singular_vectors_up_to_sign(shape, count):
    rows = np.random.default_rng(0).normal(size=shape)
    _, values, right = np.linalg.svd(rows, full_matrices=False)
    found = principal_directions(torch.from_numpy(rows), count).numpy()
    expected = right[: min(count, len(values))].T
    assert found.shape == expected.shape
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=1e-8)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_directions_that_the_rows_do_not_span_are_left_out(shape):
    random = np.random.default_rng(0)
    rows = random.normal(size=(shape[0], 3)) @ random.normal(size=(3, shape[1]))
    found = principal_directions(torch.from_numpy(rows), 6)
    assert found.shape == (shape[1], 3)
    torch.testing.assert_close(found.T @ found, torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)
    assert principal_directions(torch.zeros(shape, dtype=torch.float64), 6).shape == (shape[1], 0)
