"""A stream of pairs as the policy reads it, with what the frozen reference says of it.

The reference never changes, so its log-probabilities are computed once and kept beside the tokens; no second model
is held. One file serves every process of a replay.

Where both responses of a pair begin alike, that beginning has the same log-probability on both sides and cancels in
the margin. So each response is kept as a whole and as its *rest*, from the first token that differs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import CheckpointError
from rewardrouter.offline.cutting import shared_prefix
from rewardrouter.policies.tokens import Ids, PairTokens, TokenReport
from rewardrouter.state import State, load_state, save_state


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PreparedPairs:
    """P pairs, tokenised, and the reference's view of them.

    ``reference`` and ``reference_rests`` are ``float32 [P, 2]``: the log-probabilities of responses A and B, and
    of their rests, given what stands before, under the reference, summed over tokens, nats. ``policy`` names the
    policy and the way of reading that made them.
    """

    tokens: PairTokens
    reference: npt.NDArray[np.float32]
    reference_rests: npt.NDArray[np.float32]
    policy: str

    def __len__(self) -> int:
        return len(self.tokens.prompts)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """``int64 [P, 2]``: tokens of the responses, their ends included."""
        return np.array([[len(a), len(b)] for a, b in self.tokens.responses], np.int64).reshape(-1, 2)

    def texts(self, row: int, *, rests: bool) -> list[tuple[Ids, Ids]]:
        """Return what is scored of A and of B, and what stands before it."""
        prompt, answers = self.tokens.prompts[row], self.tokens.responses[row]
        if not rests:
            return [(prompt, answer) for answer in answers]
        # At least the last token stays, also of responses that are the same.
        shared = min(shared_prefix(*(answer.tolist() for answer in answers)), min(map(len, answers)) - 1)
        return [(np.concatenate([prompt, answer[:shared]]), answer[shared:]) for answer in answers]

    @property
    def report(self) -> TokenReport:
        """What was cut."""
        return self.tokens.report

    def save(self, path: Path) -> None:
        """Write one safetensors file, whole or not at all."""
        answers = [side for both in self.tokens.responses for side in both]
        arrays: dict[str, npt.NDArray[Any]] = {
            "prompt_ids": _joined(self.tokens.prompts),
            "prompt_lengths": np.array([len(ids) for ids in self.tokens.prompts], np.int64),
            "response_ids": _joined(answers),
            "response_lengths": np.array([len(ids) for ids in answers], np.int64),
            "reference": self.reference,
            "reference_rests": self.reference_rests,
        }
        save_state(State(arrays, {"policy": self.policy, "report": dataclasses.asdict(self.report)}), path)

    @classmethod
    def load(cls, path: Path) -> PreparedPairs:
        """Return the pairs in ``path``.

        Raises
        ------
        CheckpointError
            If the file is missing, broken, or was written by something else.
        """
        state = load_state(path)
        prompts = _parts(state, "prompt")
        answers = _parts(state, "response")
        if len(answers) != 2 * len(prompts):
            raise CheckpointError(
                f"{path}: {len(prompts)} prompts, but {len(answers)} responses; make it again"
            )
        reference, rests = (
            state.array(name, (len(prompts), 2), np.float32) for name in ("reference", "reference_rests")
        )
        try:
            report = TokenReport(**state.value("report", dict))
        except TypeError as error:
            raise CheckpointError(f"{path}: no report of what was cut ({error}); make it again") from error
        responses = tuple(zip(answers[::2], answers[1::2], strict=True))
        return cls(
            PairTokens(tuple(prompts), responses, report), reference, rests, state.value("policy", str)
        )


def _joined(texts: Sequence[Ids]) -> npt.NDArray[np.int64]:
    """Return all ids, one text after the other; a state's arrays are not int32."""
    return np.concatenate([np.empty(0, np.int64), *texts]).astype(np.int64)


def _parts(state: State, name: str) -> list[Ids]:
    """Return the texts that :func:`_joined` put together."""
    lengths = state.array(f"{name}_lengths", (None,), np.int64)
    ids = state.array(f"{name}_ids", (None,), np.int64).astype(np.int32)
    if (lengths < 1).any() or lengths.sum() != len(ids):
        raise CheckpointError(f"state: {name}_lengths do not fit the {len(ids)} ids; it is broken")
    return np.split(ids, np.cumsum(lengths)[:-1]) if len(lengths) else []
