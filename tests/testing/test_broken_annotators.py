"""One annotator that breaks each law of the contract, caught by name."""

import dataclasses
import math
import random

import numpy as np
import pytest
from conforming import POOL, Learner, Scores

from rewardrouter.annotators import MajorityAnnotator, SingleAnnotator
from rewardrouter.annotators.calling import call_in_order
from rewardrouter.pairs import digest
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.state import State
from rewardrouter.testing import ConformanceError, check_annotator
from rewardrouter.verdicts import Verdict


def corrupted(**changes):
    """Return a strategy whose labelled annotations are changed, past what their constructor refuses."""

    class Corrupted(MajorityAnnotator):
        def __init__(self):
            super().__init__(POOL)

        def annotate(self, pairs, step):
            given = super().annotate(pairs, step)
            for annotation in given:
                for name, value in changes.items():
                    object.__setattr__(annotation, name, value)
            return given

    return Corrupted


def routed(**changes):
    """The same for a strategy that names the RM that answered."""

    class Routed(corrupted()):
        def annotate(self, pairs, step):
            given = call_in_order(POOL, pairs, [POOL.names] * len(pairs), step)
            return [
                dataclasses.replace(one, **{k: v(one) if callable(v) else v for k, v in changes.items()})
                if one.label
                else one
                for one in given
            ]

    return Routed


class Base(MajorityAnnotator):
    def __init__(self):
        super().__init__(POOL)


class Speechless:
    def annotate(self, pairs, step):
        return []


class Tuples(Base):
    def annotate(self, pairs, step):
        return tuple(super().annotate(pairs, step))


class Drops(Base):
    """Leaves out what a failed RM could not label."""

    def annotate(self, pairs, step):
        return super().annotate(pairs, step)[1:]


class Reorders(Base):
    def annotate(self, pairs, step):
        return super().annotate(pairs, step)[::-1]


class Dicts(Base):
    def annotate(self, pairs, step):
        return [dataclasses.asdict(one) for one in super().annotate(pairs, step)]


class SharedIds(Base):
    def annotate(self, pairs, step):
        return [dataclasses.replace(one, decision_id=step.batch_id) for one in super().annotate(pairs, step)]


class RepeatedIds(Base):
    def annotate(self, pairs, step):
        return [dataclasses.replace(one, decision_id=one.pair_id) for one in super().annotate(pairs, step)]


class TiesBecomeA(Base):
    """As ``first >= second`` does."""

    def annotate(self, pairs, step):
        verdicts = POOL.judge("ties", pairs)
        given = call_in_order(POOL, pairs, [("ties",)] * len(pairs), step)
        return [
            one if one.label else dataclasses.replace(one, label="A", reason=None, rm="ties")
            for one, verdict in zip(given, verdicts, strict=True)
        ]


class FirstIsBest(Base):
    def annotate(self, pairs, step):
        given = super().annotate(pairs, step)
        return [dataclasses.replace(one, label="A", reason=None) for one in given]


class SwapMovesTheRoute(Base):
    def annotate(self, pairs, step):
        orders = [
            POOL.names if digest(p.response_a) < digest(p.response_b) else POOL.names[::-1] for p in pairs
        ]
        return call_in_order(POOL, pairs, orders, step)


class SwapMovesTheWeight(Base):
    def annotate(self, pairs, step):
        given = super().annotate(pairs, step)
        return [dataclasses.replace(one, weight=0.5 if one.label == "B" else 1.0) for one in given]


class DependsOnTheCall(Base):
    def annotate(self, pairs, step):
        order = POOL.names if len(pairs) % 2 else POOL.names[::-1]
        return call_in_order(POOL, pairs, [order] * len(pairs), step)


class KnownOnly(Learner):
    def observe(self, outcomes):
        for decision in outcomes:
            self.open.pop(decision)


class Punctual(Learner):
    """Takes for granted that outcomes come, for the last batch and whole."""

    def annotate(self, pairs, step):
        self.open = {}
        return super().annotate(pairs, step)

    def observe(self, outcomes):
        if outcomes and next(iter(outcomes)).startswith("conformance/0"):
            raise LookupError("outcomes of a batch that is over")


class DictState(Learner):
    def state_dict(self):
        return {"mean": 0.0}


class ArrayInMetadata(Learner):
    def state_dict(self):
        return State({}, {"mean": np.zeros(3)})


class NanState(Learner):
    def state_dict(self):
        return State({}, {"best": math.nan})


class RefusesItsState(Base):
    def state_dict(self):
        return State({}, {"seed": 0})


class ForgetsItsState(Learner):
    def load_state_dict(self, state):
        self.losses = {rm: state.array(rm, (None,)).tolist() for rm in self.losses}


class SavesTooLittle(Learner):
    """Leaves the open decisions out of its state, so a resumed one learns nothing of them."""

    def state_dict(self):
        return State(super().state_dict().arrays, {})

    def load_state_dict(self, state):
        super().load_state_dict(State(state.arrays, {"open": {}}))


class StreamNotSaved(Base):
    """Draws from a stream whose place is no part of the state."""

    def __init__(self):
        super().__init__()
        self.rng = random.Random(0)

    def annotate(self, pairs, step):
        return call_in_order(POOL, pairs, [self.rng.sample(POOL.names, 3) for _ in pairs], step)


@pytest.mark.parametrize(
    ("make", "law"),
    [
        (Speechless, "Speechless: an annotator has the methods annotate, observe, state_dict and load_"),
        (Tuples, "Tuples: annotate must give a list, gave a tuple"),
        (Drops, "Drops: annotate must give one annotation per pair, gave 5 for 6 pairs"),
        (Reorders, "on sample/plain: annotations must come in the order of the pairs"),
        (Dicts, "an annotation must be a rewardrouter.annotators.Annotation; found {'decision_id'"),
        (SharedIds, "decision ids must be unique: two pairs of a batch share one"),
        (RepeatedIds, "decision ids must be unique: a later batch repeats some"),
        (corrupted(decision_id=""), "a decision id must be a string that says something"),
        (corrupted(label="tie"), "the label must be 'A', 'B' or None"),
        (corrupted(reason="but"), "there must be a label or the reason for none, not both"),
        (corrupted(label=None, reason=" "), "there must be a label or the reason for none, not both"),
        (corrupted(weight=1.5), r"the weight must be in \[0, 1\]"),
        (corrupted(weight=-0.1), r"the weight must be in \[0, 1\]"),
        (corrupted(weight=math.nan), r"the weight must be in \[0, 1\]"),
        (corrupted(weight=None), r"the weight must be in \[0, 1\]"),
        (corrupted(rms=None), "rms must be a tuple of names"),
        (corrupted(rms=(0, 1)), "rms must be a tuple of names"),
        (corrupted(rms=(), verdicts=()), "rms must name the RMs called: a label comes from at least one"),
        (corrupted(rms=("plain",)), "the verdicts must be those of rms, in order"),
        (corrupted(rm="someone", verdicts=()), "rm must be one of rms, and None where there is no label"),
        (
            corrupted(verdicts=tuple(Verdict(rm, "tie") for rm in POOL.names)),
            "ties and failures must not become a label",
        ),
        (corrupted(label=None, reason="r", rm="plain"), "rm must be one of rms, and None where there is no"),
        (
            routed(rms=("plain", "ties"), verdicts=(Verdict("plain", "tie"), Verdict("ties", "A"))),
            "the label must be the verdict of rm",
        ),
        (
            routed(label=lambda one: "B" if one.label == "A" else "A"),
            "the label must be the verdict of rm",
        ),
        (TiesBecomeA, "ties and failures must not become a label"),
        (
            FirstIsBest,
            r"must exchange the label and nothing else: on sample/plain found A .*; called plain, ties, fails;",
        ),
        (SwapMovesTheRoute, "exchanging the responses must exchange the label and nothing else"),
        (SwapMovesTheWeight, "exchanging the responses must exchange the label and nothing else"),
        (DependsOnTheCall, "a batch in two calls must be labelled as in one"),
        (KnownOnly, "observe must bear .* it raised KeyError: 'conformance/never-decided' on conformance/n"),
        (Punctual, "observe must bear .* it raised LookupError: outcomes of a batch that is over on"),
        (DictState, "DictState: state_dict must be a State: .* AttributeError"),
        (ArrayInMetadata, "ArrayInMetadata: state_dict must be a State: .* TypeError"),
        (NanState, "NanState: state_dict must be a State: .* ValueError"),
        (
            RefusesItsState,
            "load_state_dict must take its own state, as a file gives it back: CheckpointError",
        ),
        (ForgetsItsState, "state_dict must give what load_state_dict was given"),
        (SavesTooLittle, "one resumed from its state_dict must learn as the uninterrupted one"),
        (StreamNotSaved, "one resumed from its state_dict must label as the uninterrupted one"),
        (
            lambda: SingleAnnotator(RewardModelPool([Scores("down", fails=4)]), "down"),
            r"SingleAnnotator: labelled none of 6 pairs \(down: overloaded\); give pairs",
        ),
    ],
)
def test_each_broken_law_is_named_in_one_line(make, law):
    with pytest.raises(ConformanceError, match=law) as error:
        check_annotator(make)
    assert "\n" not in str(error.value)


def test_what_every_single_reply_must_keep_binds_undecided_strategies_too():
    with pytest.raises(ConformanceError, match="weight must be in"):
        check_annotator(corrupted(weight=2.0), deterministic=False, chunked=False)
