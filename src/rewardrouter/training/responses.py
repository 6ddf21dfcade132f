"""What a policy is asked and what it answers, as tokens and as text.

The tokens that were sampled are the tokens that are trained on: a response is never tokenised again. Reward models
read its text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedModel

from rewardrouter.pairs import Text

Ids = npt.NDArray[np.int32]
"""Token ids, ``int32 [T]``."""

Verifier: TypeAlias = Callable[[str, Mapping[str, Any]], bool | None]
"""Tells whether a response is right, given the other columns of its prompt's row; ``None`` where it cannot say."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PolicyPrompt:
    """A prompt as the policy reads it.

    ``ids`` are its tokens up to where the policy goes on, special ones included; ``metadata`` holds the other columns
    of its row. ``begun`` is the beginning of the answer that the prompt gave, in an assistant's turn at its end: it is
    in ``ids``, not in ``text``, and a part of every response that is judged.
    """

    id: str
    text: Text
    ids: Ids
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    begun: str = ""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Response:
    """A sampled response.

    ``ids`` are its tokens, with the token that ends it where the policy wrote one (``finished``); there is at least
    one. ``text`` is without special tokens.
    """

    ids: Ids
    text: str
    finished: bool


class ResponseGenerator(Protocol):
    """Samples from the policy as it is."""

    def generate(
        self, model: PreTrainedModel, prompts: Sequence[PolicyPrompt], *, step: int
    ) -> list[list[Response]]:
        """Return k responses to every prompt, in order.

        ``model`` is the policy, unwrapped, adapters included and active. What is drawn depends on the seed, the step,
        the prompt's id and the response's number alone, not on the other prompts of the call.
        """

    def close(self) -> None:
        """Leave nothing behind, where it samples elsewhere; called when training ends, also by an error."""
