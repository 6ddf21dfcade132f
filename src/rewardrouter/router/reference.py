"""What the fitting pairs' contexts looked like, kept so that later pairs can be tested against them.

The test of :mod:`rewardrouter.online.shift` asks whether new contexts are exchangeable with the reference's, but the
router was fitted to the fitting pairs and sees them with other eyes. So

* with a linear fusion the test does not look along the directions that surrogates write to: elsewhere a context
  depends on labels in nothing;
* after a training by gradient steps the reference are the pairs of its validation split alone.

All pairs are taken, as a stream brings them; which are of one group, pairs of one problem, is kept with them, as the
test also looks at one pair of each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rewardrouter.config.offline import OfflineConfig
from rewardrouter.offline.fusion import LinearFusion
from rewardrouter.offline.model import OfflineModel
from rewardrouter.offline.splits import holdout
from rewardrouter.offline.surrogates import Surrogates
from rewardrouter.online.shift import ContextReference


def reference_of(
    model: OfflineModel,
    h: Tensor,
    groups: npt.NDArray[np.str_],
    all_groups: npt.NDArray[np.str_],
    config: OfflineConfig,
) -> ContextReference | None:
    """Return the reference of a fit; ``None`` where its contexts do not vary.

    Parameters
    ----------
    model
        The fitted model.
    h
        ``float [P, d]``: contexts of fitting pairs.
    groups
        ``[P]``: their groups.
    all_groups
        Of all fitting pairs, which were split into training and validation.
    config
        Settings of the fit.
    """
    rows = np.arange(len(groups))
    if isinstance(model.fusion, LinearFusion):
        blind = _written(model.fusion, model.surrogates)
    else:
        blind = None
        aside = all_groups[holdout(all_groups, config.gradient.validation, config.seed)]
        rows = np.flatnonzero(np.isin(groups, aside))
    return ContextReference.of(h[torch.from_numpy(rows)].double().numpy(), blind, groups[rows])


def _written(fusion: LinearFusion, surrogates: Surrogates | None) -> npt.NDArray[np.float64] | None:
    """Return what surrogates add to h, ``float64 [S, d]``."""
    if surrogates is None:
        return None
    written = fusion.components[-surrogates.size :].double()
    return torch.nn.functional.pad(written, (0, 1)).numpy()
