"""UltraFeedback (Cui et al., arXiv 2310.01377) as it is mostly used: ``HuggingFaceH4/ultrafeedback_binarized``.

A row holds ``prompt``, ``prompt_id``, ``chosen`` and ``rejected`` (whole conversations, messages), ``messages`` (not
read), ``score_chosen`` and ``score_rejected`` (GPT-4's overall scores). ``chosen`` is the best of four completions,
``rejected`` one of the others at random: where their scores are equal, nothing was preferred, a tie. Splits
train_prefs (61,135 rows) and test_prefs (2,000), and ones for other stages of training, which have the same columns:
train_sft, test_sft, train_gen, test_gen; parquet. The labels are a model's, not humans'. Source: the data
card, https://huggingface.co/datasets/HuggingFaceH4/ultrafeedback_binarized.
"""

from __future__ import annotations

from collections.abc import Iterator

from rewardrouter.datasets.sources.base import Candidate, PairSource, whole
from rewardrouter.datasets.sources.conversations import opening, split_pair
from rewardrouter.datasets.sources.native import NativeRow
from rewardrouter.datasets.texts import BadRow


def read(row: NativeRow) -> Iterator[Candidate]:
    """Yield the pair of a row; ``margin`` is the difference of the scores, without its sign."""
    pair = split_pair(row.messages("chosen"), row.messages("rejected"))
    better, worse = row.real("score_chosen"), row.real("score_rejected")
    if better is None or worse is None:
        raise BadRow("no_score")
    margin = better - worse
    yield Candidate(
        prompt=pair.prompt,
        responses=pair.responses,
        better=None if margin == 0 else 0,
        name=row.name("prompt_id"),
        group=opening(pair.prompt),
        facts={"margin": abs(margin)},
    )


SOURCE = PairSource(
    name="ultrafeedback",
    title="UltraFeedback (binarized)",
    hub="HuggingFaceH4/ultrafeedback_binarized",
    home="https://huggingface.co/datasets/HuggingFaceH4/ultrafeedback_binarized",
    splits=whole("train_prefs", "test_prefs", "train_sft", "test_sft", "train_gen", "test_gen"),
    schema="prompt_id, chosen (messages), rejected (messages), score_chosen, score_rejected",
    read=read,
)
