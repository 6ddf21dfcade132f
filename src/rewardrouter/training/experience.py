"""What one process makes of its prompts in a step, before anything is labelled: responses, and the pairs of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.annotators import Annotation
from rewardrouter.config.online import PairSettings
from rewardrouter.pairs import PreferencePair
from rewardrouter.training.pairing import pair_up
from rewardrouter.training.responses import Ids, PolicyPrompt, Response, Verifier

Embeddings = Mapping[str, npt.NDArray[np.float32]]
"""The policy's embedding of each prompt, ``float32 [d]``, by the prompt's id; empty where nobody reads them."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PairTokens:
    """The token ids of a pair, as they were sampled."""

    prompt: Ids
    response_a: Ids
    response_b: Ids


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Experience:
    """What was sampled in one step for the prompts of one process.

    ``responses`` holds k for every prompt; ``pairs`` are made of them, and ``tokens`` are theirs by the pair's id.
    """

    step: int
    prompts: tuple[PolicyPrompt, ...]
    responses: tuple[tuple[Response, ...], ...]
    embeddings: Embeddings
    pairs: tuple[PreferencePair, ...]
    tokens: Mapping[str, PairTokens]

    @property
    def every_response(self) -> list[Response]:
        """The responses of all prompts."""
        return [response for given in self.responses for response in given]

    def verified(self, verifier: Verifier) -> list[bool]:
        """Return whether each response is right, of those that the verifier can judge."""
        found = [
            verifier(prompt.begun + response.text, prompt.metadata)
            for prompt, given in zip(self.prompts, self.responses, strict=True)
            for response in given
        ]
        return [bool(one) for one in found if one is not None]

    def as_json(self) -> dict[str, Any]:
        """Return what was sampled as plain data; the pairs follow from it."""
        return {
            "step": self.step,
            "prompts": [prompt.id for prompt in self.prompts],
            "responses": [
                [{"ids": r.ids.tolist(), "text": r.text, "finished": r.finished} for r in given]
                for given in self.responses
            ],
            "embeddings": {name: vector.tolist() for name, vector in self.embeddings.items()},
        }


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TrainingPair:
    """A labelled pair as it is trained on; ``labelled_a`` says whether response A is the chosen one."""

    decision_id: str
    tokens: PairTokens
    labelled_a: bool
    weight: float

    @property
    def chosen(self) -> Ids:
        """The better response's tokens."""
        return self.tokens.response_a if self.labelled_a else self.tokens.response_b

    @property
    def rejected(self) -> Ids:
        """The worse response's tokens."""
        return self.tokens.response_b if self.labelled_a else self.tokens.response_a


def paired_up(
    step: int,
    prompts: Sequence[PolicyPrompt],
    responses: Sequence[Sequence[Response]],
    embeddings: Embeddings,
    settings: PairSettings,
    *,
    seed: int,
) -> Experience:
    """Make pairs of what was sampled.

    A pair's id names the step, the prompt and the responses; its metadata are the prompt's, with the prompt as its
    group. What is drawn depends on seed, step and prompt alone, however prompts are spread over processes.
    """
    pairs: list[PreferencePair] = []
    tokens: dict[str, PairTokens] = {}
    for prompt, given in zip(prompts, responses, strict=True):
        key = (seed, step, prompt.id)
        for numbers in pair_up(given, rule=settings.rule, count=settings.per_prompt, key=key):
            a, b = given[numbers.a], given[numbers.b]
            name = f"{step}/{prompt.id}/{numbers.a}-{numbers.b}"
            metadata = {**prompt.metadata, "group": prompt.id}
            whole_a, whole_b = prompt.begun + a.text, prompt.begun + b.text
            pairs.append(PreferencePair(name, prompt.text, whole_a, whole_b, metadata))
            tokens[name] = PairTokens(prompt.ids, a.ids, b.ids)
    answered = tuple(map(tuple, responses))
    return Experience(step, tuple(prompts), answered, embeddings, tuple(pairs), tokens)


def from_json(
    saved: Mapping[str, Any], prompts: Mapping[str, PolicyPrompt], settings: PairSettings, *, seed: int
) -> Experience:
    """Return what :meth:`Experience.as_json` gave.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is broken, or of other prompts.
    """
    responses = [
        [Response(np.array(r["ids"], np.int32), str(r["text"]), bool(r["finished"])) for r in given]
        for given in saved["responses"]
    ]
    embeddings = {name: np.array(vector, np.float32) for name, vector in saved["embeddings"].items()}
    asked = [prompts[name] for name in saved["prompts"]]
    return paired_up(int(saved["step"]), asked, responses, embeddings, settings, seed=seed)


def training_pairs(experience: Experience, annotations: Mapping[str, Annotation]) -> list[TrainingPair]:
    """Return the pairs of one process that were labelled; ``annotations`` are by the pair's id."""
    found = []
    for pair in experience.pairs:
        one = annotations[pair.id]
        if one.label is not None:
            found.append(
                TrainingPair(one.decision_id, experience.tokens[pair.id], one.label == "A", one.weight)
            )
    return found
