"""Cut a pair to a token budget so that its two responses still differ where they differ.

The encoder reads at most a budget of tokens. Cutting each text at the end makes both sides of a
pair equal when the responses differ late (code with one wrong line): the router would see no pair
at all. So the two responses are cut together::

    prompt    head ...... tail          the same for both; at least a third of the budget is its own
    response  head ...... window        the same positions of both; the window holds the first difference

* The prompt loses its middle: the beginning sets the task, the end asks the question.
* The responses lose their ends, as long as a good part of what follows the first difference stays.
  Where it lies too late for that, what they share between a short head and a little before the
  difference is skipped.

For any budget, responses that differ as token ids differ after the cut: the shared part that is
kept has the same length on both sides, and the token after it is the first difference (or the end
of the shorter response).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

PROMPT_SHARE = 3
"""A long prompt is not cut below ``budget // PROMPT_SHARE`` tokens."""

_PART = 4
"""Where shared tokens are skipped, head and lead-in to the difference take 1/_PART of the room each."""


@dataclasses.dataclass(frozen=True, slots=True)
class CutPair:
    """The token ids that are left of a pair, and how many were left out."""

    prompt: list[int]
    response_a: list[int]
    response_b: list[int]
    prompt_tokens_cut: int
    response_a_tokens_cut: int
    response_b_tokens_cut: int

    @property
    def prompt_was_cut(self) -> bool:
        """Whether the prompt lost tokens."""
        return self.prompt_tokens_cut > 0

    @property
    def response_was_cut(self) -> bool:
        """Whether a response lost tokens."""
        return self.response_a_tokens_cut > 0 or self.response_b_tokens_cut > 0


def cut_pair(
    prompt: Sequence[int], response_a: Sequence[int], response_b: Sequence[int], budget: int
) -> CutPair:
    """Cut a pair so that the prompt with either response has at most ``budget`` tokens.

    Exchanging the responses exchanges the cut ones and changes nothing else.

    Parameters
    ----------
    prompt, response_a, response_b
        Token ids, without special tokens.
    budget
        Tokens there is room for beside the special ones, at least 1.
    """
    if budget < 1:
        raise ValueError(f"budget: expected at least 1 token, got {budget}")
    longest = max(len(response_a), len(response_b))
    kept_prompt = _without_middle(prompt, max(budget // PROMPT_SHARE, budget - longest))
    room = budget - len(kept_prompt)
    if longest <= room:
        kept_a, kept_b = list(response_a), list(response_b)
    else:
        head, start = _window(shared_prefix(response_a, response_b), longest, room)
        stop = start + room - head
        kept_a, kept_b = ([*ids[:head], *ids[start:stop]] for ids in (response_a, response_b))
    return CutPair(
        kept_prompt,
        kept_a,
        kept_b,
        len(prompt) - len(kept_prompt),
        len(response_a) - len(kept_a),
        len(response_b) - len(kept_b),
    )


def shared_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the number of tokens that both begin with."""
    shared = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        shared += 1
    return shared


def _without_middle(ids: Sequence[int], room: int) -> list[int]:
    """Return the beginning and the end of ``ids``, at most ``room`` tokens together."""
    if len(ids) <= room:
        return list(ids)
    head = room // 2
    return [*ids[:head], *ids[len(ids) - (room - head) :]]


def _window(shared: int, longest: int, room: int) -> tuple[int, int]:
    """Return how many tokens the head has and where the window after it starts.

    ``shared < longest`` unless the responses are equal; ``room < longest``.
    """
    part = room // _PART
    if shared <= room - max(part, 1) or shared == longest:
        return 0, 0
    # Not further right than needed: the window's end may reach, but not pass, the longer response's end.
    return part, min(shared - part, longest - (room - part))
