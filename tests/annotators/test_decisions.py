"""When a batch is settled: all there, or a later batch has begun to come in."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.annotators import Decision, Outcome
from rewardrouter.annotators.decisions import KEPT_BATCHES, PendingDecisions
from rewardrouter.errors import CheckpointError
from rewardrouter.state import State, load_state, save_state


def made(batch, pairs=3):
    return [
        Decision(f"{batch}/{i}", batch, str(i), "rm", "A", {"rm": "A", "other": None}) for i in range(pairs)
    ]


def context_of(decision):
    return np.array([float(sum(map(ord, decision.decision_id))), 1.0])


def remember(pending, batch, pairs=3):
    decisions = made(batch, pairs)
    pending.remember(decisions, np.stack([context_of(one) for one in decisions]))


def pending_of(*batches):
    pending = PendingDecisions()
    for batch in batches:
        remember(pending, batch)
    return pending


def come(*ids, loss=0.5):
    return {one: Outcome(loss, 1.0, 0.2) for one in ids}


def settled(pending, outcomes):
    return [[one.decision_id for one in batch.decisions] for batch in pending.settle(outcomes)]


def test_a_batch_is_settled_when_all_its_outcomes_are_there():
    pending = pending_of("a")
    assert settled(pending, come("a/2", "a/0")) == []
    assert settled(pending, come("a/1")) == [["a/0", "a/1", "a/2"]]
    assert len(pending) == 0
    assert settled(pending, come("a/1")) == []


def test_a_later_batch_settles_the_earlier_ones_with_what_they_have():
    pending = pending_of("a", "b", "c")
    assert settled(pending, come("a/1")) == []
    assert settled(pending, come("c/0")) == [["a/1"]]
    assert settled(pending, come("a/0", "b/2", "b/1")) == [["a/0"], ["b/1", "b/2"]]
    assert settled(pending, come("a/2", "b/0", "c/1", "c/2")) == [["a/2"], ["b/0"], ["c/0", "c/1", "c/2"]]
    assert len(pending) == 0


def test_batches_are_settled_in_the_order_they_were_annotated():
    pending = pending_of("z", "a")
    assert settled(pending, come("a/0", "a/1", "a/2", "z/1", "z/0", "z/2")) == [
        ["z/0", "z/1", "z/2"],
        ["a/0", "a/1", "a/2"],
    ]


def test_chunks_of_one_batch_wait_for_each_other():
    pending = PendingDecisions()
    first, second = made("a", 4)[:2], made("a", 4)[2:]
    pending.remember(first, np.zeros((2, 1)))
    pending.remember(second, np.ones((2, 1)))
    assert settled(pending, come("a/0", "a/1")) == []
    (batch,) = pending.settle(come("a/2", "a/3"))
    assert batch.contexts.tolist() == [[0.0], [0.0], [1.0], [1.0]]


def test_contexts_and_outcomes_stay_with_their_decisions():
    pending = pending_of("a", "b")
    outcomes = {f"{b}/{i}": Outcome(i + 0.1, i + 0.2, i + 0.3) for b in "ab" for i in (2, 0, 1)}
    for batch in pending.settle(outcomes):
        for decision, outcome, context in zip(batch.decisions, batch.outcomes, batch.contexts, strict=True):
            assert outcome == outcomes[decision.decision_id]
            np.testing.assert_array_equal(context, context_of(decision))


def test_unknown_ids_settle_nothing_and_the_first_outcome_counts():
    pending = pending_of("a", "b")
    assert settled(pending, come("c/0", "nonsense")) == []
    pending.settle(come("a/0", loss=0.1))
    (batch,) = pending.settle(come("a/0", "a/1", "a/2", loss=0.9))
    assert [outcome.loss for outcome in batch.outcomes] == [0.1, 0.9, 0.9]


def test_what_never_comes_is_forgotten_and_counted():
    pending = PendingDecisions()
    for n in range(KEPT_BATCHES + 2):
        remember(pending, f"b{n}", pairs=2)
    assert (len(pending), pending.forgotten) == (2 * KEPT_BATCHES, 4)
    assert settled(pending, come("b0/0", "b1/0", "b2/0", "b2/1")) == [["b2/0", "b2/1"]]


@given(st.data())
def test_every_outcome_is_settled_once_by_the_time_a_later_batch_is_done(data):
    batches = "abcd"
    pending = pending_of(*batches)
    ids = [f"{b}/{i}" for b in batches for i in range(3)]
    dropped = data.draw(st.sets(st.sampled_from(ids), max_size=5))
    order = data.draw(st.permutations([one for one in ids if one not in dropped]))
    found = []
    while order:
        size = data.draw(st.integers(1, len(order)))
        arriving, order = order[:size], order[size:]
        found += [one for batch in settled(pending, come(*arriving)) for one in batch]
    remember(pending, "end", 1)
    found += [one for batch in settled(pending, come("end/0")) for one in batch]
    assert sorted(found) == sorted(set(ids) - dropped | {"end/0"})


def test_resumed_is_uninterrupted(tmp_path):
    pending = pending_of("a", "b", "c")
    pending.settle({**come("a/1"), "b/0": Outcome(math.nan, math.inf, -0.1)})
    pending.settle(come("b/1"))
    save_state(pending.state_dict(), tmp_path / "state")
    resumed = PendingDecisions()
    resumed.load_state_dict(load_state(tmp_path / "state"))
    rest = come("a/0", "a/2", "b/2", "c/0", "c/1", "c/2")
    for one, other in zip(resumed.settle(rest), pending.settle(rest), strict=True):
        assert one.decisions == other.decisions
        assert repr(one.outcomes) == repr(other.outcomes)  # NaN is not equal to itself
        np.testing.assert_array_equal(one.contexts, other.contexts)


def test_an_empty_state_is_a_state(tmp_path):
    save_state(PendingDecisions().state_dict(), tmp_path / "state")
    resumed = pending_of("a")
    resumed.load_state_dict(load_state(tmp_path / "state"))
    assert len(resumed) == 0


def broken(**changes):
    good = pending_of("a").state_dict()
    return State({"contexts": changes.pop("contexts", good.arrays["contexts"])}, {**good.metadata, **changes})


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State(), "no forgotten"),
        (broken(contexts=np.zeros((2, 2))), "cannot be read"),
        (broken(contexts=np.zeros((4, 2))), "do not belong together"),
        (broken(batches=[{"batch_id": "a", "settled": False}]), "cannot be read"),
        (broken(batches=[3]), "cannot be read"),
    ],
)
def test_a_broken_state_is_refused_and_nothing_changed(state, words):
    pending = pending_of("x")
    with pytest.raises(CheckpointError, match=words):
        pending.load_state_dict(state)
    assert settled(pending, come("x/0", "x/1", "x/2")) == [["x/0", "x/1", "x/2"]]
