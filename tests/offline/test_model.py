"""The heads' arithmetic, and the symmetry of the whole model."""

from __future__ import annotations

import pytest
import torch
from small_tables import BLOCKS, random_vectors, routable

from rewardrouter.config.offline import HeadConfig
from rewardrouter.offline.features import PairFeatures
from rewardrouter.offline.fusion import MlpFusion
from rewardrouter.offline.model import Heads, OfflineModel
from rewardrouter.offline.surrogates import Surrogates, surrogate_targets


def test_scores_are_inner_products_and_logits_have_a_bias():
    torch.manual_seed(0)
    heads, h = Heads(4, 3, HeadConfig()), torch.randn(5, 4)
    with torch.no_grad():
        heads.cls_bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
        torch.testing.assert_close(heads.scores(h), h @ heads.bt.T)
        torch.testing.assert_close(heads.logits(h), h @ heads.cls.T + torch.tensor([1.0, 2.0, 3.0]))
    assert torch.equal(heads.normalise(h), h)
    assert torch.equal(heads.embeddings, heads.bt)


def test_cosine_scores_are_cosines_times_a_learned_temperature():
    torch.manual_seed(0)
    heads, h = Heads(4, 3, HeadConfig(normalise="cosine")), 7 * torch.randn(5, 4)
    cosines = torch.nn.functional.cosine_similarity(h[:, None], heads.bt[None], dim=2)
    torch.testing.assert_close(heads.scores(heads.normalise(h)), 10 * cosines)
    assert heads.log_temperature.requires_grad
    # The prior of the online router is these embeddings, so that h' mu is the score.
    torch.testing.assert_close(heads.normalise(h) @ heads.embeddings.T, 10 * cosines)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (HeadConfig(), {"bt", "cls", "cls_bias"}),
        (HeadConfig(cls_bias=False), {"bt", "cls"}),
        (HeadConfig(cls_weight=0), {"bt"}),
        (HeadConfig(cls_weight=0, normalise="cosine"), {"bt", "log_temperature"}),
    ],
)
def test_a_head_that_is_switched_off_has_no_parameters(config, parameters):
    heads = Heads(4, 3, config)
    assert {name for name, _ in heads.named_parameters()} == parameters
    assert (heads.logits(torch.ones(1, 4)) is None) == ("cls" not in parameters)


@pytest.mark.parametrize("surrogates", [False, True])
@pytest.mark.parametrize("normalise", ["none", "cosine"])
def test_the_context_is_the_same_bit_for_bit_for_exchanged_responses(surrogates, normalise):
    vectors, table = routable(60, 0)
    features = PairFeatures(BLOCKS)
    features.fit(vectors)
    size, imitations = features.size, None
    if surrogates:
        imitations, _ = Surrogates.fitted(
            BLOCKS, vectors, features(vectors.a, vectors.b), surrogate_targets(table), table.groups, 0.4, 0
        )
        size += imitations.size
    heads = Heads(8, 3, HeadConfig(normalise=normalise))
    model = OfflineModel(features, imitations, MlpFusion(size, 8, 0.1), heads).eval()
    unseen = random_vectors(40, 7)
    assert torch.equal(model.contexts(unseen.a, unseen.b), model.contexts(unseen.b, unseen.a))
    assert model.pair_features(unseen.a, unseen.b).shape == (40, size)
