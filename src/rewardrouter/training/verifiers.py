"""A verifier in training: held to its word, as labels (a ceiling, not a strategy), and as what knows the right ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewardrouter.annotators import Annotation, StepContext
from rewardrouter.annotators.base import Stateless, decision_id
from rewardrouter.errors import ConfigError, one_line
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.verifiers.model import as_text
from rewardrouter.thoughts import answer_of
from rewardrouter.training.responses import Verifier
from rewardrouter.verdicts import Verdict


def checked(verifier: Verifier, name: str) -> Verifier:
    """Return the verifier, held to its word: what it raises or returns amiss is a ``ConfigError`` that names it.

    It is given what follows the thoughts of a response; of one whose thoughts do not end, it cannot say.
    """

    def verify(response: str, row: Mapping[str, Any]) -> bool | None:
        said = answer_of(response)
        if said is None:
            return None
        try:
            found = verifier(said, row)
        except Exception as error:  # a function of somebody else's may raise whatever it likes
            raise ConfigError(
                f"verifier: {name} fails on {response[:40]!r} ({one_line(error) or type(error).__name__});"
                f" the prompt's row has {', '.join(row) or 'nothing else'}"
            ) from error
        if found is not None and not isinstance(found, bool | np.bool_):
            raise ConfigError(f"verifier: {name} returned {found!r}, expected True, False or None")
        return None if found is None else bool(found)

    return verify


class VerifierAnnotator(Stateless):
    """Labels a pair where the verifier accepts one response and not the other; asks no reward model."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the verifier's labels; a pair that it does not tell apart has none."""
        return [self._annotation(pair, step) for pair in pairs]

    def _annotation(self, pair: PreferencePair, step: StepContext) -> Annotation:
        a, b = (self._verifier(as_text(text), pair.metadata) for text in (pair.response_a, pair.response_b))
        if a is None or b is None or a == b:
            reason = "not judged" if a is None or b is None else f"both are {'right' if a else 'wrong'}"
            return Annotation(decision_id(pair, step), pair.id, None, (), reason=f"verifier: {reason}")
        return Annotation(decision_id(pair, step), pair.id, "A" if a else "B", ())


class GoldVerifier:
    """A verifier as something that judges pairs: what knows the right labels for ``reward=gold``."""

    name = "verifier"

    def __init__(self, verifier: Verifier) -> None:
        self._labels = VerifierAnnotator(verifier)

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return a failed verdict where the verifier does not tell the responses apart."""
        found = self._labels.annotate(pairs, StepContext("gold"))
        return [
            Verdict(self.name, one.label) if one.label else Verdict.failed(self.name, str(one.reason))
            for one in found
        ]
