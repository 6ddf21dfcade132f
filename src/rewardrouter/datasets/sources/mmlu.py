"""MMLU (Hendrycks et al., arXiv 2009.03300), ``cais/mmlu``, configuration all, parquet.

A row holds ``question``, ``subject`` (57 of them), ``choices`` (four texts) and ``answer`` (0 to 3). As in the paper,
both halves come from the hub's test split (14,042 rows): 80 % are for training, the rest for testing, in an order
that the seed and the prompt's text decide, so that a question that occurs twice is on one side. The hub's own
``validation`` (1,531), ``dev`` (285) and ``auxiliary_train`` (99,842 questions of other exams, whose subject is empty)
are splits as they are. The prompt is the question and the choices behind letters; the gold answer is the letter.
Source: https://huggingface.co/datasets/cais/mmlu, and the features that its mirror ``hails/mmlu_no_train`` declares.
"""

from __future__ import annotations

from rewardrouter.datasets.sources.base import Part, Prompt, PromptSource, whole
from rewardrouter.datasets.sources.native import NativeRow
from rewardrouter.datasets.texts import BadRow

LETTERS = ("A", "B", "C", "D")
"""The letters of the four choices."""


def read(row: NativeRow) -> Prompt:
    """Return the question of a row, its choices, and the letter of the right one."""
    question, choices = row.text("question"), row.texts("choices", len(LETTERS))
    if question is None:
        raise BadRow("missing_text")
    lines = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True)]
    return Prompt(
        prompt="\n".join([question, *lines]),
        answer=LETTERS[row.whole_number("answer", 0, len(LETTERS) - 1)],
        domain=row.optional("subject") or None,
        facts={"choices": choices},
    )


SOURCE = PromptSource(
    name="mmlu",
    title="MMLU",
    hub="cais/mmlu",
    config="all",
    home="https://huggingface.co/datasets/cais/mmlu (all/test-*.parquet)",
    splits={
        "train": Part("test", (0.0, 0.8)),
        "test": Part("test", (0.8, 1.0)),
        "all": Part("test"),
        **whole("validation", "dev", "auxiliary_train"),
    },
    schema="question, choices (4 texts), answer (0 to 3)",
    read=read,
    paper="11,233 prompts to train on, 2,809 to test on",
)
