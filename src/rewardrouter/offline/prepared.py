"""From preference pairs to distinct token texts, with an account of what was cut.

A prompt occurs in many pairs and a response may too, so every distinct prompt and response is
tokenised once, and every distinct text is kept once. Pairs point into the texts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.offline.cutting import CutPair, cut_pair
from rewardrouter.offline.text import PromptText, TextLayout, TokenText
from rewardrouter.pairs import PreferencePair, Text


@dataclasses.dataclass(frozen=True, slots=True)
class CutReport:
    """What the encoder does not see of a set of pairs.

    ``max_tokens`` counts special tokens; ``tokens_total`` and the tokens cut do not: every pair's
    prompt counts once, and both its responses.
    """

    n_pairs: int
    max_tokens: int
    tokens_total: int
    prompt_tokens_cut: int
    response_tokens_cut: int
    prompt_cut: tuple[str, ...]
    """Ids of the pairs whose prompt was cut."""
    response_cut: tuple[str, ...]
    """Ids of the pairs of which a response was cut."""
    indistinct: tuple[str, ...]
    """Ids of the pairs whose responses differ as text but not as token ids (an uncased tokenizer)."""
    notes: tuple[str, ...] = ()
    """How texts were laid out, where it was not the usual way."""

    def lines(self) -> list[str]:
        """Return the report for a reader, a line per finding."""
        lines = [f"{self.n_pairs:,} pairs at {self.max_tokens} tokens: {self._cuts()}"]
        if self.indistinct:
            lines.append(
                f"{len(self.indistinct):,} pairs differ only in what the tokenizer drops (letter case,"
                f" spacing): the encoder sees the same text twice ({_some(self.indistinct)})"
            )
        return [*lines, *self.notes]

    def _cuts(self) -> str:
        if not self.prompt_cut and not self.response_cut:
            return "nothing was cut"
        share = (self.prompt_tokens_cut + self.response_tokens_cut) / self.tokens_total
        return (
            f"prompt cut in {len(self.prompt_cut):,}, response cut in {len(self.response_cut):,};"
            f" {share:.1%} of the tokens are not seen ({_some(self.prompt_cut or self.response_cut)})"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PreparedPairs:
    """P pairs as T distinct texts.

    Pair ``i`` has the texts ``index_a[i]`` and ``index_b[i]`` (``int64 [P]``).
    """

    texts: tuple[TokenText, ...]
    index_a: npt.NDArray[np.int64]
    index_b: npt.NDArray[np.int64]
    cuts: CutReport


def prepare_pairs(pairs: Sequence[PreferencePair], layout: TextLayout, max_tokens: int) -> PreparedPairs:
    """Lay out, tokenise and cut the pairs, and find their distinct texts.

    Parameters
    ----------
    pairs
        The P pairs.
    layout
        Of the encoder's tokenizer.
    max_tokens
        The most tokens of a text, special ones included.

    Raises
    ------
    CheckpointError
        If the encoder's chat template rejects a prompt in every form.
    """
    prompt_texts = {prompt: layout.prompt_text(prompt) for prompt in _distinct(pair.prompt for pair in pairs)}
    prompts = dict(
        zip(prompt_texts, layout.tokenize_prompts([p.text for p in prompt_texts.values()]), strict=True)
    )
    answers = _distinct(answer for pair in pairs for answer in (pair.response_a, pair.response_b))
    responses = dict(zip(answers, layout.tokenize([layout.response_text(a) for a in answers]), strict=True))
    cuts: list[CutPair] = []
    places: dict[TokenText, int] = {}
    index = np.empty((2, len(pairs)), np.int64)
    for row, pair in enumerate(pairs):
        cut = cut_pair(
            prompts[pair.prompt].tolist(),
            responses[pair.response_a].tolist(),
            responses[pair.response_b].tolist(),
            max_tokens - layout.n_special,
        )
        cuts.append(cut)
        for side, response in enumerate((cut.response_a, cut.response_b)):
            index[side, row] = places.setdefault(layout.join(cut.prompt, response), len(places))
    report = _report(
        pairs, cuts, index[0] == index[1], max_tokens, _notes(layout, list(prompt_texts.values()))
    )
    return PreparedPairs(tuple(places), index[0], index[1], report)


def _distinct(texts: Iterable[Text]) -> list[Text]:
    return list(dict.fromkeys(texts))


def _notes(layout: TextLayout, prompts: Sequence[PromptText]) -> tuple[str, ...]:
    notes = [layout.note] if layout.note else []
    rejected = [prompt.rejected for prompt in prompts if prompt.rejected]
    if rejected:
        notes.append(
            f"{len(rejected):,} prompts were laid out as one user message with their roles written out:"
            f" the encoder's chat template rejects them ({rejected[0]})"
        )
    return tuple(notes)


def _report(
    pairs: Sequence[PreferencePair],
    cuts: Sequence[CutPair],
    same: npt.NDArray[np.bool_],
    max_tokens: int,
    notes: tuple[str, ...],
) -> CutReport:
    rows = list(zip(pairs, cuts, same, strict=True))
    prompt_cut = sum(cut.prompt_tokens_cut for cut in cuts)
    response_cut = sum(cut.response_a_tokens_cut + cut.response_b_tokens_cut for cut in cuts)
    kept = sum(len(cut.prompt) + len(cut.response_a) + len(cut.response_b) for cut in cuts)
    return CutReport(
        n_pairs=len(pairs),
        max_tokens=max_tokens,
        tokens_total=kept + prompt_cut + response_cut,
        prompt_tokens_cut=prompt_cut,
        response_tokens_cut=response_cut,
        prompt_cut=tuple(pair.id for pair, cut, _ in rows if cut.prompt_was_cut),
        response_cut=tuple(pair.id for pair, cut, _ in rows if cut.response_was_cut),
        indistinct=tuple(pair.id for pair, _, equal in rows if equal and pair.response_a != pair.response_b),
        notes=notes,
    )


def _some(ids: Sequence[str]) -> str:
    """Return the first ids, and that there are more."""
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
