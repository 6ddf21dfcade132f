"""Distinct texts, the pairs that point into them, and the account of what was cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.prepared import PreparedPairs, prepare_pairs
from rewardrouter.offline.text import TextLayout, layout_for
from rewardrouter.pairs import Message, PreferencePair


@pytest.fixture(scope="module")
def layout(tiny_bert: Path) -> TextLayout:
    return layout_for(AutoTokenizer.from_pretrained(tiny_bert), "bidirectional")


def pair(identity: str, prompt: str, a: str, b: str) -> PreferencePair:
    return PreferencePair(identity, prompt, a, b)


def test_every_distinct_text_is_kept_once(layout):
    pairs = [
        pair("1", "what", "1", "2"),
        pair("2", "what", "2", "3"),
        pair("3", "what", "3", "1"),
        pair("4", "is", "1", "1"),
    ]
    prepared = prepare_pairs(pairs, layout, 64)
    assert len(prepared.texts) == 4  # what 1, what 2, what 3, is 1
    assert prepared.index_a.tolist() == [0, 1, 2, 3]
    assert prepared.index_b.tolist() == [1, 2, 0, 3]
    assert prepared.index_a.dtype == np.int64


words = st.lists(st.sampled_from(["what", "is", "paris", "1", "2"]), max_size=60).map(" ".join)


@settings(max_examples=30)
@given(rows=st.lists(st.tuples(words, words, words), max_size=6))
def test_swapping_a_pair_swaps_its_texts(layout, rows):
    pairs = [pair(str(n), *row) for n, row in enumerate(rows)]
    prepared = prepare_pairs(pairs, layout, 40)
    swapped = prepare_pairs([p.swapped() for p in pairs], layout, 40)
    for n in range(len(pairs)):
        assert prepared.texts[prepared.index_a[n]] == swapped.texts[swapped.index_b[n]]
        assert prepared.texts[prepared.index_b[n]] == swapped.texts[swapped.index_a[n]]
    assert all(len(text) <= 40 for text in prepared.texts)
    assert len(set(prepared.texts)) == len(prepared.texts)


def test_no_pairs_are_no_texts(layout):
    prepared = prepare_pairs([], layout, 64)
    assert prepared.texts == ()
    assert prepared.cuts.lines() == ["0 pairs at 64 tokens: nothing was cut"]


def test_what_was_cut_is_counted_and_named(layout):
    pairs = [
        pair("short", "what", "1", "2"),
        pair("long-answer", "what", "1 " * 100, "2 " * 100),
        pair("long-prompt", "what " * 100, "1", "2"),
        pair("case", "what", "PARIS", "paris"),
        pair("same", "what", "paris", "paris"),
    ]
    cuts = prepare_pairs(pairs, layout, 53).cuts
    assert cuts.n_pairs == 5
    assert cuts.response_cut == ("long-answer",)
    assert cuts.prompt_cut == ("long-prompt",)
    assert cuts.response_tokens_cut == 2 * (100 - 49)
    assert cuts.prompt_tokens_cut == 100 - 49
    assert cuts.tokens_total == 3 + 201 + 102 + sum(1 + 2 * n_paris(layout) for _ in range(2))
    assert cuts.indistinct == ("case",)
    first, second = cuts.lines()
    assert first == (
        f"5 pairs at 53 tokens: prompt cut in 1, response cut in 1; {153 / cuts.tokens_total:.1%}"
        " of the tokens are not seen (long-prompt)"
    )
    assert second.startswith("1 pairs differ only in what the tokenizer drops")
    assert second.endswith("(case)")


def n_paris(layout: TextLayout) -> int:
    return len(next(iter(layout.tokenize(["paris"]))))


def test_a_layout_that_is_not_the_usual_one_is_reported_once(tiny_llama):
    layout = layout_for(AutoTokenizer.from_pretrained(tiny_llama), "causal")
    system = (Message("system", "be"), Message("user", "what"))
    pairs = [PreferencePair(str(n), system, "a", str(n)) for n in range(3)]
    lines = prepare_pairs([*pairs, pair("x", "what", "1", "2")], layout, 100).cuts.lines()
    assert lines[1:] == [
        "1 prompts were laid out as one user message with their roles written out:"
        " the encoder's chat template rejects them (System role not supported)"
    ]


@pytest.fixture(scope="module")
def real_pairs(shared_data: Path) -> list[PreferencePair]:
    table = pd.read_parquet(shared_data / "verdicts" / "rewardbench9_dev.parquet")
    return [pair(row.id, row.prompt, row.response_a, row.response_b) for row in table.itertuples()]


def test_no_real_pair_is_cut_to_the_same_text(real_pairs):
    encoder = PairEncoder.from_config(EncoderConfig(checkpoint="minilm", max_tokens=256))
    tokenizer = encoder.checkpoint.tokenizer
    prepared: PreparedPairs = encoder.prepare(real_pairs)
    a, b = ([p.response_a for p in real_pairs], [p.response_b for p in real_pairs])
    ids_a, ids_b = (tokenizer(side, add_special_tokens=False, verbose=False)["input_ids"] for side in (a, b))
    same_before = np.array([one == other for one, other in zip(ids_a, ids_b, strict=True)])
    np.testing.assert_array_equal(prepared.index_a == prepared.index_b, same_before)
    assert max(map(len, prepared.texts)) == 256
    assert len(prepared.cuts.response_cut) > 100  # so that the law was put to the test
    assert prepared.cuts.indistinct == tuple(
        p.id for p, same in zip(real_pairs, same_before, strict=True) if same
    )
