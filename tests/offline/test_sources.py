"""Vectors of a batch: those of the encoder, each distinct text once, with gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_tables import random_vectors, written_pairs

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.sources import EncodingSource, FrozenSource
from rewardrouter.offline.vectors import PairVectors
from rewardrouter.pairs import PreferencePair

PAIRS, _ = written_pairs(8, 0)


def encoder(folder: Path) -> PairEncoder:
    return PairEncoder.from_config(EncoderConfig(checkpoint=str(folder), device="cpu", precision="fp32"))


@pytest.mark.parametrize("checkpoint", ["tiny_bert", "tiny_qwen2"])
def test_a_batch_has_the_encoders_vectors(checkpoint, request):
    some = encoder(request.getfixturevalue(checkpoint))
    prepared = some.prepare(PAIRS)
    frozen = some.encode(prepared)
    rows = np.array([5, 0, 3])
    a, b = EncodingSource(prepared, some).batch(rows)
    assert a.requires_grad
    np.testing.assert_allclose(a.detach(), frozen[prepared.index_a[rows]], atol=1e-5)
    np.testing.assert_allclose(b.detach(), frozen[prepared.index_b[rows]], atol=1e-5)


def test_equal_texts_go_in_once(tiny_bert, monkeypatch):
    some = encoder(tiny_bert)
    pairs = [PreferencePair(str(n), "what?", "yes", ("no", "maybe", "yes")[n]) for n in range(3)]
    source = EncodingSource(some.prepare(pairs), some)
    seen: list[int] = []
    forward = some.forward_texts
    monkeypatch.setattr(some, "forward_texts", lambda texts: (seen.append(len(texts)), forward(texts))[1])
    a, b = source.batch(np.arange(3))
    assert seen == [3]
    assert torch.equal(a[0], a[1])
    assert torch.equal(a[2], b[2])
    assert not torch.equal(a[0], b[0])


def test_digests_tell_data_and_encoders_apart(tiny_bert, tiny_qwen2):
    bert, qwen2 = encoder(tiny_bert), encoder(tiny_qwen2)
    source = EncodingSource(bert.prepare(PAIRS), bert)
    again = encoder(tiny_bert)
    assert source.digest() == EncodingSource(again.prepare(PAIRS), again).digest()
    others = [
        EncodingSource(bert.prepare(PAIRS[::-1]), bert),
        EncodingSource(bert.prepare([pair.swapped() for pair in PAIRS]), bert),
        EncodingSource(bert.prepare(PAIRS[:-1]), bert),
        EncodingSource(bert.prepare(PAIRS), qwen2),
    ]
    assert len({source.digest(), *(other.digest() for other in others)}) == 5
    vectors = random_vectors(4, 0)
    swapped = PairVectors(vectors.b, vectors.a)
    assert FrozenSource(vectors).digest() == FrozenSource(random_vectors(4, 0)).digest()
    assert FrozenSource(vectors).digest() != FrozenSource(swapped).digest()
