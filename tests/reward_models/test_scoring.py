"""Batches of a classifier: what they are padded with, and how many texts they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rewardrouter.reward_models.formats import TokenText
from rewardrouter.reward_models.scoring import Score, TextScorer

Folder = Callable[[str], Path]


def scorer_of(folder: Path, batch_tokens: int = 8192) -> TextScorer:
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    return TextScorer(model, AutoTokenizer.from_pretrained(folder), batch_tokens)


def text(*ids: int) -> TokenText:
    return TokenText(np.array(ids, np.int32), None, 0, rewritten=False)


TEXTS = [text(5), text(5, 1), text(5, 6, 7, 8, 9), text(9, 8, 7, 1, 2, 3, 1), text(5, 0, 340), text(6, 2)]
"""Ends with most tokens that one might pad with: beginning 0, end 1, the first special one 2."""


@pytest.mark.parametrize("kind", ["gpt2", "llama", "llama-pad", "qwen3"])
def test_no_text_changes_the_score_of_another_whatever_it_ends_with(
    kind: str, tiny_reward_model: Folder
) -> None:
    scorer = scorer_of(tiny_reward_model(kind))
    texts = [item for item in TEXTS if item.ids.max() < 340]
    together = [score.value for score in scorer.score(texts)]
    alone = [scorer.score([item])[0].value for item in texts]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_the_last_token_decides_where_the_checkpoint_names_no_padding(tiny_reward_model: Folder) -> None:
    """A text's end-of-text token is read, though it is what one would pad with."""
    scorer = scorer_of(tiny_reward_model("llama"))
    longer, shorter = scorer.score([text(5, 6, 1), text(5, 6)])
    assert abs(longer.value - shorter.value) > 1e-2
    trained = scorer_of(tiny_reward_model("llama-pad"))
    longer, shorter = trained.score([text(5, 6, 1), text(5, 6)])
    assert longer.value == pytest.approx(shorter.value, abs=1e-5)


def test_a_padding_token_without_an_embedding_is_not_used(tiny_reward_model: Folder) -> None:
    folder = tiny_reward_model("llama-pad")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    model.config.pad_token_id = 10_000
    scores = TextScorer(model, AutoTokenizer.from_pretrained(folder), 8192).score([text(5, 6, 7), text(5)])
    assert all(score.error is None for score in scores)


def test_a_batch_has_at_most_the_tokens_allowed(
    tiny_reward_model: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    batch = TextScorer._batch

    def spy(self: TextScorer, texts: list[TokenText]) -> list[Score]:
        sizes.append((len(texts), max(len(item.ids) for item in texts)))
        return batch(self, texts)

    monkeypatch.setattr(TextScorer, "_batch", spy)
    texts = [text(*range(n, n + length)) for n, length in enumerate((1, 9, 2, 30, 2, 9, 1), start=3)]
    scores = scorer_of(tiny_reward_model("qwen3"), batch_tokens=20).score(texts)
    assert sum(size for size, _ in sizes) == len(texts) == len(scores)
    assert sizes[0] == (1, 30)
    assert all(size * longest <= 20 for size, longest in sizes[1:])
    sizes.clear()
    again = scorer_of(tiny_reward_model("qwen3")).score(texts * 2)
    assert again[: len(texts)] == again[len(texts) :]
    assert sizes == [(len(texts), 30)]


def test_a_model_that_sees_padding_gets_texts_of_equal_length(
    tiny_reward_model: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[list[int]] = []
    batch = TextScorer._batch

    def spy(self: TextScorer, texts: list[TokenText]) -> list[Score]:
        lengths.append([len(item.ids) for item in texts])
        return batch(self, texts)

    monkeypatch.setattr(TextScorer, "_batch", spy)
    texts = [text(*range(n, n + length)) for n, length in enumerate((4, 6, 4, 6, 6), start=5)]
    scorer_of(tiny_reward_model("fnet")).score(texts)
    assert lengths == [[6, 6, 6], [4, 4]]
    lengths.clear()
    scorer_of(tiny_reward_model("bert")).score(texts)
    assert lengths == [[6, 6, 6, 4, 4]]


def test_no_texts_have_no_scores(tiny_reward_model: Folder) -> None:
    assert scorer_of(tiny_reward_model("bert")).score([]) == []


def test_a_token_that_the_model_does_not_know_is_a_reason(tiny_reward_model: Folder) -> None:
    scorer = scorer_of(tiny_reward_model("llama"))
    fine, failed, again = scorer.score([text(5, 6), text(5, 10_000), text(5, 6)])
    assert fine == again == Score(fine.value)
    assert failed.value is None
    assert failed.error
