"""The blocks of a text's vector, and what a router that sees only prompts is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_tables import written_pairs

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.config.offline import FeatureConfig
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.statistics import pair_statistics
from rewardrouter.offline.vectors import Block, PairVectors, blocks_of, encode_pairs, visible

PAIRS, _ = written_pairs(6, 0)
POOLINGS = ("prompt.mean@1", "response.max@1")


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> PairEncoder:
    return PairEncoder.from_config(
        EncoderConfig(checkpoint=str(tiny_bert), poolings=POOLINGS, device="cpu", precision="fp32")
    )


def test_blocks_are_poolings_then_statistics(encoder):
    two = (Block("prompt.mean@1", 32, True), Block("response.max@1", 32, False))
    assert blocks_of(encoder, FeatureConfig()) == two
    statistics = (Block("statistics of the prompt", 5, True), Block("statistics of the response", 8, False))
    assert blocks_of(encoder, FeatureConfig(statistics=True)) == two + statistics


def test_vectors_are_those_of_the_texts_beside_their_statistics(encoder):
    vectors, cuts = encode_pairs(encoder, PAIRS, FeatureConfig(statistics=True))
    prepared = encoder.prepare(PAIRS)
    texts, (prompts, of_a, of_b) = encoder.encode(prepared), pair_statistics(PAIRS)
    np.testing.assert_array_equal(vectors.a, np.hstack([texts[prepared.index_a], prompts, of_a]))
    np.testing.assert_array_equal(vectors.b, np.hstack([texts[prepared.index_b], prompts, of_b]))
    assert (vectors.a.dtype, len(vectors), cuts.n_pairs) == (torch.float32, 6, 6)


def test_exchanged_responses_exchange_the_vectors_bit_for_bit(encoder):
    config = FeatureConfig(statistics=True)
    vectors, _ = encode_pairs(encoder, PAIRS, config)
    swapped, _ = encode_pairs(encoder, [pair.swapped() for pair in PAIRS], config)
    assert torch.equal(vectors.a, swapped.b)
    assert torch.equal(vectors.b, swapped.a)


def test_a_router_on_prompts_cannot_see_the_responses(encoder):
    config = FeatureConfig(of="prompt", statistics=True)
    assert {(p.response_a, p.response_b) for p in visible(PAIRS, config)} == {("", "")}
    assert [p.prompt for p in visible(PAIRS, config)] == [p.prompt for p in PAIRS]
    vectors, _ = encode_pairs(encoder, PAIRS, config)
    assert torch.equal(vectors.a, vectors.b)


def test_no_pairs_have_vectors_of_the_same_width(encoder):
    for statistics in (False, True):
        config = FeatureConfig(statistics=statistics)
        vectors, _ = encode_pairs(encoder, [], config)
        assert (
            vectors.a.shape == vectors.b.shape == (0, sum(block.size for block in blocks_of(encoder, config)))
        )


def test_the_cache_and_the_progress_reach_the_encoder(encoder, tmp_path):
    told: list[tuple[int, int]] = []
    first, _ = encode_pairs(encoder, PAIRS, FeatureConfig(), cache=EmbeddingCache(tmp_path))
    again, _ = encode_pairs(
        encoder,
        PAIRS,
        FeatureConfig(),
        cache=EmbeddingCache(tmp_path),
        progress=lambda *done: told.append(done),
    )
    assert torch.equal(first.a, again.a)
    n_texts = len(encoder.prepare(PAIRS).texts)
    assert told == [(n_texts, n_texts)]  # all of them known at once


def test_selecting_keeps_both_sides_together():
    vectors = PairVectors(torch.arange(8.0).reshape(4, 2), -torch.arange(8.0).reshape(4, 2))
    chosen = vectors.select(np.array([3, 0]))
    assert torch.equal(chosen.a, torch.tensor([[6.0, 7.0], [0.0, 1.0]]))
    assert torch.equal(chosen.b, -chosen.a)
