"""The encoder against computations of the same with plain transformers, and its invariants."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.errors import ConfigError
from rewardrouter.offline.cache import CacheWarning, EmbeddingCache
from rewardrouter.offline.encoder import PairEncoder, length_batches, resolve_precision
from rewardrouter.pairs import PreferencePair

SENTENCES = [
    "The capital of France is Paris.",
    "def add(a, b):\n    return a + b",
    "I do not know.",
    "It depends on what you mean by that; there are at least two readings of the question, and they differ.",
    "42",
]
PAIRS = [
    PreferencePair(f"{n}-{m}", f"Question {n}?", SENTENCES[n], SENTENCES[m])
    for n in range(5)
    for m in range(5)
    if n < m
]


def encoder(checkpoint: Path | str, **settings: object) -> PairEncoder:
    settings = {"device": "cpu", "precision": "fp32", **settings}
    return PairEncoder.from_config(EncoderConfig(checkpoint=str(checkpoint), **settings))


@pytest.fixture(scope="module")
def minilm() -> PairEncoder:
    return encoder("minilm")


@pytest.fixture(scope="module")
def qwen2(tiny_qwen2: Path) -> PairEncoder:
    return encoder(tiny_qwen2)


def test_minilm_mean_pooling_equals_sentence_transformers_own_recipe(minilm):
    folder = minilm.model.config.name_or_path
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    vectors = minilm.encode(prepared := minilm.prepare(PAIRS))
    for n, pair in enumerate(PAIRS):
        batch = tokenizer(
            [pair.prompt] * 2, [pair.response_a, pair.response_b], padding=True, return_tensors="pt"
        )
        with torch.no_grad():
            states = model(**batch).last_hidden_state
        mask = batch["attention_mask"][:, :, None]
        expected = ((states * mask).sum(1) / mask.sum(1)).numpy()
        found = vectors[[prepared.index_a[n], prepared.index_b[n]]]
        np.testing.assert_allclose(found, expected, atol=2e-6)
    assert vectors.shape == (len(prepared.texts), minilm.feature_dim) == (14, 384)
    assert vectors.dtype == np.float32


def test_a_causal_encoder_keeps_the_last_token_of_each_text(qwen2):
    prepared = qwen2.prepare(PAIRS)
    vectors = qwen2.encode(prepared)
    assert qwen2.poolings == ("all.last@-1",)
    for text, vector in zip(prepared.texts, vectors, strict=True):
        with torch.no_grad():
            states = qwen2.model(torch.from_numpy(text.ids.astype(np.int64))[None]).last_hidden_state
        np.testing.assert_allclose(vector, states[0, -1].numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", ["minilm", "qwen2"])
def test_a_text_has_one_vector_whatever_its_batch_and_padding(kind, request):
    encoder: PairEncoder = request.getfixturevalue(kind)
    texts = encoder.prepare(PAIRS).texts
    with torch.no_grad():
        together = encoder.forward_texts(texts)
        alone = torch.cat([encoder.forward_texts([text]) for text in texts])
        reverse = encoder.forward_texts(texts[::-1]).flip(0)
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(reverse, together, atol=1e-5, rtol=1e-5)


def test_batches_change_vectors_by_rounding_only(tiny_bert):
    prepared = encoder(tiny_bert).prepare(PAIRS)
    small, large = (encoder(tiny_bert, batch_tokens=tokens).encode(prepared) for tokens in (1, 100_000))
    np.testing.assert_allclose(small, large, atol=1e-5)


def test_bf16_is_near_fp32_and_pooled_in_float32(minilm):
    prepared = minilm.prepare(PAIRS)
    half = encoder("minilm", precision="bf16").encode(prepared)
    exact = minilm.encode(prepared)
    assert half.dtype == np.float32
    cosines = (half * exact).sum(1) / np.linalg.norm(half, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosines.min() > 0.999
    assert not np.array_equal(half, exact)


def test_inner_layers_and_regions_stand_side_by_side(tiny_bert):
    specs = ("prompt.mean@0", "response.max@1", "all.last@-1")
    several = encoder(tiny_bert, poolings=specs)
    prepared = several.prepare(PAIRS)
    assert several.feature_dim == 3 * 32
    expected = np.hstack([encoder(tiny_bert, poolings=(spec,)).encode(prepared) for spec in specs])
    np.testing.assert_allclose(several.encode(prepared), expected, atol=1e-6)


def test_an_empty_prompt_pools_to_zeros(tiny_bert):
    prompts = encoder(tiny_bert, poolings=("prompt.mean@-1", "prompt.max@-1"))
    assert not prompts.encode(prompts.prepare([PreferencePair("1", "", "a", "b")])).any()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_neither_the_order_of_responses_nor_of_pairs_changes_a_bit(tiny_qwen2, precision):
    small = encoder(tiny_qwen2, precision=precision, batch_tokens=128)
    prepared = small.prepare(PAIRS)
    swapped = small.prepare([pair.swapped() for pair in reversed(PAIRS)])
    vectors, others = small.encode(prepared), small.encode(swapped)
    np.testing.assert_array_equal(vectors[prepared.index_a], others[swapped.index_b[::-1]])
    np.testing.assert_array_equal(vectors[prepared.index_b], others[swapped.index_a[::-1]])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_reach_the_weights_through_the_same_vectors(tiny_bert, precision):
    trained = encoder(tiny_bert, precision=precision)
    prepared = trained.prepare(PAIRS[:2])
    vectors = trained.forward_texts(prepared.texts)
    np.testing.assert_allclose(vectors.detach().numpy(), trained.encode(prepared), atol=1e-6)
    vectors.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in trained.model.named_parameters()}
    used = {name: gradient for name, gradient in gradients.items() if "pooler" not in name}
    assert all(gradient is not None and gradient.dtype == torch.float32 for gradient in used.values())


def test_encoding_leaves_the_training_mode_as_it_was(tiny_bert):
    trained = encoder(tiny_bert)
    prepared = trained.prepare(PAIRS)
    frozen = trained.encode(prepared)
    trained.model.train()
    np.testing.assert_array_equal(trained.encode(prepared), frozen)  # without dropout
    assert trained.model.training


def test_no_pairs_have_no_vectors(tiny_bert):
    empty = encoder(tiny_bert)
    assert empty.encode(empty.prepare([])).shape == (0, 32)


def test_progress_tells_the_texts_done(tiny_bert):
    reports: list[tuple[int, int]] = []
    few = encoder(tiny_bert, batch_tokens=64)
    few.encode(few.prepare(PAIRS), progress=lambda done, total: reports.append((done, total)))
    assert reports[0] == (0, 14)
    assert reports[-1] == (14, 14)
    assert reports == sorted(reports)
    assert len(reports) > 3


def test_a_hit_is_the_miss_bit_for_bit_and_runs_no_model(tiny_bert, tmp_path, monkeypatch):
    first = encoder(tiny_bert)
    prepared = first.prepare(PAIRS)
    missed = first.encode(prepared, cache=EmbeddingCache(tmp_path))
    np.testing.assert_array_equal(missed, first.encode(prepared))
    second = encoder(tiny_bert)
    monkeypatch.setattr(second.model, "forward", lambda **_: pytest.fail("the model was run"))
    np.testing.assert_array_equal(
        second.encode(second.prepare(PAIRS), cache=EmbeddingCache(tmp_path)), missed
    )


def test_only_texts_that_are_new_are_encoded(tiny_bert, tmp_path):
    some = encoder(tiny_bert)
    some.encode(some.prepare(PAIRS[:4]), cache=EmbeddingCache(tmp_path))
    reports: list[int] = []
    prepared = some.prepare(PAIRS)
    vectors = some.encode(
        prepared, cache=EmbeddingCache(tmp_path), progress=lambda done, _: reports.append(done)
    )
    assert reports[0] == len(some.prepare(PAIRS[:4]).texts)
    np.testing.assert_allclose(vectors, some.encode(prepared), atol=1e-5)


def test_a_broken_cache_gives_the_right_vectors(tiny_bert, tmp_path):
    some = encoder(tiny_bert)
    prepared = some.prepare(PAIRS)
    vectors = some.encode(prepared, cache=EmbeddingCache(tmp_path))
    (shard,) = tmp_path.rglob("*.safetensors")
    data = bytearray(shard.read_bytes())
    data[-2] ^= 255
    shard.write_bytes(bytes(data))
    with pytest.warns(CacheWarning, match="was broken"):
        np.testing.assert_array_equal(some.encode(prepared, cache=EmbeddingCache(tmp_path)), vectors)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(some.encode(prepared, cache=EmbeddingCache(tmp_path)), vectors)


def test_changed_weights_are_another_identity_and_never_read_old_vectors(tiny_bert, tmp_path):
    trained = encoder(tiny_bert)
    cache, prepared, loaded = EmbeddingCache(tmp_path), trained.prepare(PAIRS), trained.identity
    before = trained.encode(prepared, cache=cache)
    weight = trained.model.encoder.layer[0].output.dense.weight
    original = weight.detach().clone()
    weight.data[0, 0] += 1.0  # behind autograd's back, as weight averaging does
    changed = trained.identity
    assert changed != loaded == trained.checkpoint.identity
    assert trained.identity == changed
    after = trained.encode(prepared, cache=cache)
    np.testing.assert_array_equal(after, trained.encode(prepared))
    assert not np.array_equal(after, before)
    weight.data.copy_(original)
    assert trained.identity == loaded


def test_a_trained_encoder_is_saved_and_loaded_back(tiny_llama, tmp_path, capfd):
    trained = encoder(tiny_llama)
    with torch.no_grad():
        trained.model.layers[0].mlp.up_proj.weight.add_(0.1)
    trained.save(tmp_path / "trained")
    assert capfd.readouterr() == ("", "")  # no bars beside ours
    loaded = encoder(tmp_path / "trained")
    assert loaded.checkpoint.kind == "causal"
    prepared = loaded.prepare(PAIRS)
    assert prepared.texts == trained.prepare(PAIRS).texts
    np.testing.assert_array_equal(loaded.encode(prepared), trained.encode(prepared))
    shutil.rmtree(tmp_path / "trained")


def test_the_checkpoints_own_limit_holds(tiny_bert, qwen2):
    assert encoder(tiny_bert).max_tokens == 128
    assert encoder(tiny_bert, max_tokens=100).max_tokens == 100
    long = [PreferencePair("1", "what " * 200, "1 " * 300, "2 " * 400)]
    short = encoder(tiny_bert)
    prepared = short.prepare(long)
    assert max(map(len, prepared.texts)) == 128
    assert np.isfinite(short.encode(prepared)).all()
    assert max(map(len, qwen2.prepare(long).texts)) == qwen2.max_tokens == 256


def test_settings_that_cannot_work_are_refused(tiny_bert):
    with pytest.raises(ConfigError, match=r"max_tokens 20: leaves 17 tokens .* give at least 35"):
        encoder(tiny_bert, max_tokens=20)
    with pytest.raises(ConfigError, match="layer 3 does not exist"):
        encoder(tiny_bert, poolings=("all.mean@3",))


@given(
    lengths=st.lists(st.integers(1, 50), max_size=40),
    wanted=st.sets(st.integers(0, 39)),
    limit=st.integers(1, 200),
)
def test_batches_hold_every_text_once_within_the_limit_longest_first(lengths, wanted, limit):
    rows = np.array(sorted(row for row in wanted if row < len(lengths)), np.int64)
    batches = [batch.tolist() for batch in length_batches(lengths, rows, limit)]
    assert sorted(row for batch in batches for row in batch) == rows.tolist()
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= limit
    flat = [lengths[row] for batch in batches for row in batch]
    assert flat == sorted(flat, reverse=True)


def test_precision_follows_the_device_unless_asked():
    cpu = torch.device("cpu")
    assert [resolve_precision(asked, cpu) for asked in ("fp32", "bf16")] == ["fp32", "bf16"]
    assert resolve_precision("auto", cpu) in ("fp32", "bf16")
    assert resolve_precision("auto", torch.device("meta")) == "fp32"
