"""Random routing: uniform, and the same whatever else is in the batch."""

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scripted import scripted

from rewardrouter.annotators import RandomAnnotator, StepContext
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models import RewardModelPool, recorded_pool
from rewardrouter.testing import check_annotator
from rewardrouter.verdicts import FAILED, TIE, A, B, Verdict


class Says:
    def __init__(self, name, winner):
        self.name, self._winner = name, winner

    def judge(self, pairs):
        return [Verdict(self.name, self._winner) for _ in pairs]


def orders(n_pairs, n_rms, *, winner="tie", seed=0, step=0):
    """Return the RMs called for each pair; with ties everywhere, all of them in the order drawn."""
    pool = RewardModelPool(Says(f"rm{n}", winner) for n in range(n_rms))
    pairs = [PreferencePair(f"pair {i}", "q", "x", "y") for i in range(n_pairs)]
    given_ = RandomAnnotator(pool, seed).annotate(pairs, StepContext("batch", step))
    return [one.rms for one in given_]


def p_value(counts, n_cells):
    assert len(counts) <= n_cells
    observed = [*counts.values(), *[0] * (n_cells - len(counts))]
    return stats.chisquare(observed).pvalue


def test_every_order_is_equally_likely_so_the_failover_is_fair_too():
    counts = Counter(orders(6000, 4))
    assert set(counts) == set(permutations(["rm0", "rm1", "rm2", "rm3"]))
    assert p_value(counts, 24) > 1e-3


def test_draws_of_other_seeds_and_steps_are_independent():
    first = orders(4000, 3, winner="A")
    for other in (orders(4000, 3, winner="A", seed=1), orders(4000, 3, winner="A", step=1)):
        assert p_value(Counter(zip(first, other, strict=True)), 9) > 1e-3


def test_neighbouring_pairs_are_independent():
    first = orders(4001, 3, winner="A")
    assert p_value(Counter(pairwise(first)), 9) > 1e-3


rng = np.random.default_rng(3)
TABLE = scripted(rng.choice([A, B, TIE, FAILED], size=(20, 3), p=[0.35, 0.35, 0.15, 0.15]))
POOL = recorded_pool(TABLE)


@given(st.lists(st.integers(0, 19), unique=True), st.integers(0, 9), st.integers(0, 9))
def test_the_draw_does_not_depend_on_the_batch(rows, seed, step):
    annotator = RandomAnnotator(POOL, seed)
    whole = annotator.annotate(TABLE.pairs, StepContext("batch", step))
    part = annotator.annotate([TABLE.pairs[i] for i in rows], StepContext("batch", step))
    assert part == [whole[i] for i in rows]


def test_failover_ends_at_the_first_answer():
    for one in RandomAnnotator(POOL).annotate(TABLE.pairs, StepContext("batch")):
        answers = [verdict.label for verdict in one.verdicts]
        assert answers[:-1] == [None] * (len(answers) - 1)
        assert one.label == answers[-1]
        assert one.label is not None or set(one.rms) == set(POOL.names)


def test_it_keeps_the_contract():
    check_annotator(lambda: RandomAnnotator(POOL, seed=4), TABLE.pairs)
