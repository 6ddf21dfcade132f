"""Offline only: the arm with the highest score, the next best where it does not answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import scripted, winner_grids

from rewardrouter.annotators import OfflineOnlyAnnotator, StepContext
from rewardrouter.errors import ConfigError
from rewardrouter.reward_models import recorded_pool
from rewardrouter.testing import check_annotator
from rewardrouter.verdicts import FAILED, TIE, A, B

STEP = StepContext("batch")


class Scores:
    """Arms, and the scores of pairs by their ids: all that the strategy needs of a router."""

    def __init__(self, arms, by_id):
        self.arms, self._by_id = tuple(arms), by_id

    def scores(self, pairs):
        rows = [self._by_id[pair.id] for pair in pairs]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self.arms))


def router_for(table, scores, arms=None):
    rows = np.asarray(scores).tolist()
    return Scores(arms or table.rms, dict(zip((pair.id for pair in table.pairs), rows, strict=True)))


@given(winner_grids(), st.data())
def test_arms_are_called_by_falling_scores_until_one_answers(winners, data):
    table = scripted(winners)
    shape = (len(table), len(table.rms))
    flat = data.draw(st.lists(st.integers(-3, 3), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    scores = np.reshape(flat, shape)
    given_ = OfflineOnlyAnnotator(recorded_pool(table), router_for(table, scores)).annotate(table.pairs, STEP)
    for row, line, one in zip(winners, scores.tolist(), given_, strict=True):
        ranked = sorted(range(len(line)), key=lambda n: (-line[n], n))  # equal scores: the earlier arm
        asked = []
        for n in ranked:
            asked.append(table.rms[n])
            if row[n] in (A, B):
                break
        assert one.rms == tuple(asked)
        answered = row[table.rms.index(asked[-1])]
        assert one.label == {A: "A", B: "B"}.get(answered)


def test_the_routers_order_of_arms_is_its_own():
    table = scripted([[A, B, B], [TIE, B, FAILED]])
    router = router_for(table, [[0.0, 1.0], [1.0, 2.0]], arms=("rm2", "rm0"))
    given_ = OfflineOnlyAnnotator(recorded_pool(table), router).annotate(table.pairs, STEP)
    assert [(one.label, one.rms) for one in given_] == [("A", ("rm0",)), (None, ("rm0", "rm2"))]


def test_an_arm_that_is_not_in_the_pool_is_refused():
    table = scripted([[A]])
    with pytest.raises(ConfigError, match=r"the pool has no reward model 'skywork'\. It holds: rm0"):
        OfflineOnlyAnnotator(recorded_pool(table), router_for(table, [[0.0, 0.0]], arms=("rm0", "skywork")))


def test_it_keeps_the_contract():
    rng = np.random.default_rng(5)
    table = scripted(rng.choice([A, B, TIE, FAILED], size=(15, 3), p=[0.4, 0.4, 0.1, 0.1]))
    router = router_for(table, rng.normal(size=(15, 3)))
    check_annotator(lambda: OfflineOnlyAnnotator(recorded_pool(table), router), table.pairs)
