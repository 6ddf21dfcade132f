"""Labels from a verifier instead of reward models: a ceiling, not a strategy."""

from __future__ import annotations

from collections.abc import Sequence

from rewardrouter.annotators import Annotation, StepContext
from rewardrouter.annotators.base import Stateless, decision_id
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.verifiers.model import as_text
from rewardrouter.training.responses import Verifier


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
