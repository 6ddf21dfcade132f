"""Explaining a pair costs one pass through the encoder, with and without a cache."""

from __future__ import annotations

import pytest
from small_tables import written_pairs

from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.router.explanation import explain_pair


@pytest.mark.parametrize("kind", ["linear", "mlp", "full qwen2"])
def test_a_pair_is_encoded_once(kind, router_of, monkeypatch):
    router, calls = router_of(kind), []
    encode = PairEncoder.encode

    def counting(self, prepared, **options):
        calls.append(len(prepared.texts))
        return encode(self, prepared, **options)

    monkeypatch.setattr(PairEncoder, "encode", counting)
    pair = written_pairs(1, 3)[0][0]
    explanation = explain_pair(router, pair)
    assert calls == [2]  # the two texts of the pair
    assert router.cache is None
    assert tuple(arm.name for arm in explanation.arms) == router.rank([pair])[0]
