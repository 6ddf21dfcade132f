"""Failover: who is asked, in which order, and what becomes of ties and failures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import scripted, winner_grids

from rewardrouter.annotators import StepContext
from rewardrouter.annotators.calling import call_all, call_in_order, call_until_answered, why_no_label
from rewardrouter.reward_models import RewardModelPool, recorded_pool
from rewardrouter.verdicts import FAILED, TIE, A, B, Verdict

STEP = StepContext("batch")
LABEL = {A: "A", B: "B", TIE: None, FAILED: None}


class Logged:
    """A member of another pool that remembers every call."""

    def __init__(self, pool, name, log):
        self.name, self._pool, self._log = name, pool, log

    def judge(self, pairs):
        self._log.append((self.name, [pair.id for pair in pairs]))
        return self._pool.judge(self.name, pairs)


def logged(table):
    log = []
    pool = recorded_pool(table)
    return RewardModelPool(Logged(pool, name, log) for name in pool.names), log


def called(calls):
    return sorted((rm, pair) for rm, pairs in calls for pair in pairs)


@given(winner_grids(), st.data())
def test_the_first_of_the_order_that_answers_gives_the_label(winners, data):
    table = scripted(winners)
    orders = [data.draw(st.permutations(range(len(table.rms)))) for _ in winners]
    orders = [order[: data.draw(st.integers(0, len(order)))] for order in orders]
    pool, log = logged(table)
    names = [[table.rms[n] for n in order] for order in orders]
    given_ = call_in_order(pool, table.pairs, names, STEP)
    for row, order, pair, annotation in zip(winners, orders, table.pairs, given_, strict=True):
        answers = [LABEL[row[n]] for n in order]
        first = next((i for i, answer in enumerate(answers) if answer), None)
        asked = order if first is None else order[: first + 1]
        assert annotation.rms == tuple(table.rms[n] for n in asked)
        assert tuple(verdict.rm for verdict in annotation.verdicts) == annotation.rms
        assert annotation.label == (None if first is None else answers[first])
        assert annotation.rm == (None if first is None else annotation.rms[-1])
        assert (annotation.reason is None) == (first is not None)
        assert (annotation.pair_id, annotation.decision_id) == (pair.id, f"batch/{pair.id}")
        assert annotation.weight == 1.0
    assert called(log) == sorted((rm, one.pair_id) for one in given_ for rm in one.rms)


def test_pairs_that_wait_for_one_rm_go_to_it_in_one_call_per_round():
    table = scripted([[A, B], [TIE, B], [FAILED, A], [A, TIE]])
    pool, log = logged(table)
    orders = [["rm0", "rm1"], ["rm0", "rm1"], ["rm0", "rm1"], ["rm1", "rm0"]]
    labels = [one.label for one in call_in_order(pool, table.pairs, orders, STEP)]
    assert log == [("rm0", ["p0", "p1", "p2"]), ("rm1", ["p3"]), ("rm1", ["p1", "p2"]), ("rm0", ["p3"])]
    assert labels == ["A", "B", "A", "A"]


def test_a_pair_without_an_answer_names_each_rm_and_what_came_of_it():
    pool = recorded_pool(scripted([[TIE, FAILED]]))
    (annotation,) = call_in_order(pool, scripted([[TIE, FAILED]]).pairs, [pool.names], STEP)
    assert (annotation.label, annotation.rm, annotation.rms) == (None, None, ("rm0", "rm1"))
    assert annotation.reason == "rm0: tie; rm1: no usable verdict recorded"


def test_a_pair_nobody_is_asked_about_says_so():
    table = scripted([[A]])
    (annotation,) = call_in_order(recorded_pool(table), table.pairs, [()], STEP)
    assert (annotation.label, annotation.rms) == (None, ())
    assert annotation.reason == why_no_label([]) == "no reward model was called"


def test_an_rm_breaking_its_contract_stops_everything():
    class Short:
        name = "short"

        def judge(self, pairs):
            return [Verdict("short", "A")] * (len(pairs) - 1)

    pairs = scripted([[A], [A]]).pairs
    with pytest.raises(RuntimeError, match="short answered 2 pairs with 1 verdicts"):
        call_in_order(RewardModelPool([Short()]), pairs, [["short"]] * 2, STEP)


@given(winner_grids(), st.data())
def test_a_pair_goes_on_until_an_answer_and_no_verdict_is_asked_for_twice(winners, data):
    table = scripted(winners)
    pool, log = logged(table)
    shape = (len(table), len(table.rms))
    seed = data.draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    score, known = rng.random(shape), rng.random(shape) < 0.4
    before = [
        {name: table.verdict(row, name) for n, name in enumerate(table.rms) if known[row, n]}
        for row in range(len(table))
    ]

    def choose(rows, left):
        assert left.any(axis=1).all()
        return np.where(left, score[rows], -np.inf).argmax(axis=1)

    found = call_until_answered(pool, table.pairs, STEP, table.rms, choose, known=before)
    asked = []
    for row, one in enumerate(found):
        ranked = sorted(range(shape[1]), key=lambda n, row=row: -score[row, n])
        labels = [LABEL[winners[row][n]] for n in ranked]
        stop = next((place for place, label in enumerate(labels) if label), shape[1] - 1)
        new = [table.rms[n] for n in ranked[: stop + 1] if not known[row, n]]
        assert one.rms == (*before[row], *new)
        assert tuple(verdict.rm for verdict in one.verdicts) == one.rms
        assert (one.label, one.rm) == (labels[stop], table.rms[ranked[stop]] if labels[stop] else None)
        asked += [(rm, one.pair_id) for rm in new]
    assert called(log) == sorted(asked)


@given(winner_grids())
def test_asking_all_gives_every_verdict_in_the_order_of_the_pool(winners):
    table = scripted(winners)
    answers = call_all(recorded_pool(table), table.pairs)
    expected = [[table.verdict(row, rm) for rm in table.rms] for row in range(len(table))]
    assert [list(row) for row in answers] == expected


def test_nothing_asked_is_nothing_answered():
    pool = recorded_pool(scripted(np.zeros((1, 2))))
    assert call_all(pool, []) == []
    assert call_in_order(pool, [], [], STEP) == []
