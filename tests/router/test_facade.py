"""The router in use: one order of arms for all arrays, the same answer whichever response stands first."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from small_tables import written_pairs, written_table

from rewardrouter.errors import DataError
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.offline.vectors import encode_pairs
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.router import BayesianRouter

PAIRS, FIRST = written_pairs(12, 7)
KINDS = ("minilm", "linear", "mlp", "cosine", "full bert", "full qwen2")


@pytest.mark.parametrize("kind", KINDS)
def test_exchanged_responses_have_the_same_context_and_scores_bit_for_bit(kind, router_of):
    router = router_of(kind)
    one, other = router.score(PAIRS), router.score([pair.swapped() for pair in PAIRS])
    np.testing.assert_array_equal(one.contexts, other.contexts)
    np.testing.assert_array_equal(one.scores, other.scores)
    assert one.scores.shape == (12, 3)
    assert np.ptp(one.scores, axis=0).max() > 1e-3  # they do depend on the pair


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_the_contexts_times_the_prior(kind, router_of):
    router = router_of(kind)
    scored = router.score(PAIRS)
    assert scored.contexts.dtype == router.prior_mean.dtype == np.float64
    assert router.prior_mean.shape == (3, scored.contexts.shape[1])
    np.testing.assert_allclose(scored.contexts @ router.prior_mean.T, scored.scores, atol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "full bert"])
def test_a_rank_is_the_order_of_scores_with_ties_in_the_order_of_arms(kind, router_of):
    router = router_of(kind)
    assert router.arms == ("rm-0", "rm-1", "rm-2")
    for order, scores in zip(router.rank(PAIRS), router.scores(PAIRS), strict=True):
        assert sorted(order) == sorted(router.arms)
        assert [scores[router.arms.index(arm)] for arm in order] == sorted(scores, reverse=True)


def test_pairs_of_a_kind_go_to_the_rm_that_is_right_on_it(router_of):
    first = [order[0] for order in router_of("linear").rank(PAIRS)]
    assert np.mean([(arm == "rm-0") == kind for arm, kind in zip(first, FIRST, strict=True)]) > 0.8


def test_correctness_is_a_probability_and_absent_without_its_head(router_of):
    found = router_of("linear").score(PAIRS).correctness
    assert ((found > 0) & (found < 1)).all()
    assert router_of("cosine").score(PAIRS).correctness is None


@pytest.mark.parametrize("kind", ["linear", "mlp", "full qwen2"])
def test_no_pairs_have_no_scores(kind, router_of):
    scored = router_of(kind).score([])
    assert scored.scores.shape == (0, 3)
    assert router_of(kind).rank([]) == []


def test_a_pairs_scores_do_not_depend_on_the_others_of_the_call(router_of):
    router = router_of("linear")
    together = router.scores(PAIRS)
    alone = np.concatenate([router.scores([pair]) for pair in PAIRS])
    np.testing.assert_allclose(alone, together, atol=1e-4)


def test_conversations_and_strange_texts_are_scored(router_of):
    chat = (Message("system", "Be brief."), Message("user", "what is the capital of france?"))
    pairs = [
        PreferencePair("1", chat, (Message("assistant", "paris"),), (Message("assistant", "lyon"),)),
        PreferencePair("2", "", "", " "),
        PreferencePair("3", "\u202e\x00😀" * 500, "a" * 5000, "b\n" * 5000),
        PreferencePair("4", "same", "same", "same"),
    ]
    for kind in ("linear", "full qwen2"):
        assert np.isfinite(router_of(kind).scores(pairs)).all()


@pytest.mark.parametrize("kind", ["linear", "mlp", "full qwen2"])
def test_contexts_are_those_of_the_scores(kind, router_of):
    router = router_of(kind)
    np.testing.assert_array_equal(router.contexts(PAIRS), router.score(PAIRS).contexts)


@pytest.mark.parametrize("kind", KINDS)
def test_encoder_features_are_of_length_1_and_symmetric_and_of_the_encoder_alone(kind, router_of):
    router = router_of(kind)
    features = router.encoder_features(PAIRS)
    np.testing.assert_array_equal(features, router.encoder_features([pair.swapped() for pair in PAIRS]))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, rtol=1e-12)
    assert features.dtype == np.float64
    vectors, _ = encode_pairs(
        router.encoder, PAIRS, router.config.features.model_copy(update={"statistics": False})
    )
    a, b = vectors.a.double().numpy(), vectors.b.double().numpy()
    parts, width = [], router.encoder.feature_dim // len(router.encoder.poolings)
    for n, pooling in enumerate(router.encoder.poolings):
        columns = slice(n * width, (n + 1) * width)
        parts.append(a[:, columns] + b[:, columns])
        if not pooling.startswith("prompt."):
            parts.append(np.abs(a[:, columns] - b[:, columns]))
    raw = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(features, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)
    assert router.encoder_features([]).shape == (0, features.shape[1])


def test_a_cache_changes_no_bit(router_of, saved_of, tmp_path):
    router = type(router_of("linear")).from_pretrained(saved_of("linear"), cache=EmbeddingCache(tmp_path))
    first, again = router.scores(PAIRS), router.scores([dataclasses.replace(pair) for pair in PAIRS])
    np.testing.assert_array_equal(first, router_of("linear").scores(PAIRS))
    np.testing.assert_array_equal(first, again)
    assert list(tmp_path.rglob("*.safetensors"))


def test_pairs_are_encoded_once_however_much_is_asked_of_them(router_of, monkeypatch):
    router, encoded = router_of("linear"), []
    encode = type(router.encoder).encode
    monkeypatch.setattr(
        type(router.encoder), "encode", lambda self, *a, **k: encoded.append(1) or encode(self, *a, **k)
    )
    fresh = [dataclasses.replace(pair) for pair in PAIRS]
    contexts, scores = router.contexts(fresh), router.scores(fresh)
    np.testing.assert_array_equal(router.signals(list(fresh)).scores, scores)
    assert len(encoded) == 1
    np.testing.assert_array_equal(router.contexts(fresh[:-1]), contexts[:-1])
    np.testing.assert_array_equal(router.scores(fresh[::-1]), scores[::-1])
    assert len(encoded) == 3


@pytest.mark.parametrize("wrong", [{"prompt": "p"}, "p", None])
def test_what_is_no_pair_is_named(router_of, wrong):
    with pytest.raises(
        DataError, match=rf"pairs\[1\]: expected a PreferencePair, got {type(wrong).__name__}"
    ):
        router_of("linear").rank([PAIRS[0], wrong])


def test_progress_is_shown_where_asked_for(router_of, capsys):
    router = router_of("linear")
    router.scores(PAIRS)
    assert capsys.readouterr().err == ""
    router.show_progress = True
    try:
        router.scores([dataclasses.replace(pair) for pair in PAIRS])
    finally:
        router.show_progress = False
    assert "encode" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_shift_is_1_on_the_pairs_that_it_was_fitted_to_and_survives_saving(kind, router_of, saved_of):
    router, fitting = router_of(kind), written_table(48, 0).pairs
    assert router.shift(router.contexts(fitting)) == pytest.approx(1.0, abs=0.05)
    elsewhere = router.contexts(fitting) + 3 * router.contexts(fitting).std(axis=0)
    assert router.shift(elsewhere) == pytest.approx(10.0, rel=0.1)
    again = BayesianRouter.from_pretrained(saved_of(kind), device="cpu")
    assert again.shift(elsewhere) == pytest.approx(router.shift(elsewhere), rel=1e-5)
    assert math.isnan(router.shift(router.contexts([])))
