"""Annotations, decisions, and strategies that learn nothing."""

import numpy as np
import pytest

from rewardrouter.annotators import Annotation, Annotator, Outcome, Stateless, StepContext
from rewardrouter.annotators.base import decision_id
from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import PreferencePair
from rewardrouter.state import State

PAIR = PreferencePair("p", "q", "x", "y")


@pytest.mark.parametrize(("label", "reason"), [(None, None), ("A", "all tied")])
def test_an_annotation_has_a_label_or_the_reason_for_none(label, reason):
    with pytest.raises(ValueError, match="annotation of p: give a reason exactly where there is no label"):
        Annotation("d", "p", label, ("rm",), reason=reason)


def test_a_decision_is_a_pair_of_a_batch():
    ids = {
        decision_id(pair, StepContext(batch))
        for pair in (PAIR, PreferencePair("o", "q", "x", "y"))
        for batch in "ab"
    }
    assert len(ids) == 4
    assert decision_id(PAIR, StepContext("a", 1)) == decision_id(PAIR.swapped(), StepContext("a", 2)) == "a/p"


class Nothing(Stateless):
    def annotate(self, pairs, step):
        return [Annotation(decision_id(pair, step), pair.id, None, (), reason="never") for pair in pairs]


def test_a_strategy_that_learns_nothing_writes_one_method():
    strategy = Nothing()
    assert isinstance(strategy, Annotator)
    strategy.observe({"unknown": Outcome(0.1, 2.0, 2.0)})
    assert strategy.state_dict() == State()
    strategy.load_state_dict(State())


def test_the_state_of_another_strategy_is_refused():
    with pytest.raises(CheckpointError, match="Nothing keeps no state, but was given x, step"):
        Nothing().load_state_dict(State({"x": np.zeros(1)}, {"step": 1}))
