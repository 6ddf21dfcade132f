"""Every kind of annotator that keeps its contract passes, with the options that it needs."""

import random

import numpy as np
import pytest
from conforming import POOL, Learner

from rewardrouter.annotators import (
    MajorityAnnotator,
    OfflineOnlyAnnotator,
    OracleAnnotator,
    RandomAnnotator,
    ScoreEnsembleAnnotator,
    ScoreScale,
    SingleAnnotator,
    Stateless,
    UwoAnnotator,
)
from rewardrouter.annotators.calling import call_in_order
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.testing import ConformanceError, check_annotator, sample_pairs
from rewardrouter.verdicts import TIE, A, B, Verdict, VerdictTable, winner_code


class TinyRouter:
    """What an annotator needs of a router: arms, and scores that the responses' order leaves alone."""

    arms = POOL.names

    def scores(self, pairs):
        numbers = [[len(str(pair.prompt)) * (n + 2) % 7 for n in range(len(self.arms))] for pair in pairs]
        return np.array(numbers, dtype=np.float64).reshape(-1, len(self.arms))


def oracle():
    pairs = sample_pairs()
    winners = [[winner_code(v.winner) for v in POOL.judge(rm, pairs)] for rm in POOL.names]
    blank = np.full((len(pairs), len(POOL)), np.nan)
    labels = np.array([A, B] * 3, dtype=np.int8)
    return OracleAnnotator(
        POOL, VerdictTable(pairs, labels, POOL.names, np.array(winners, dtype=np.int8).T, blank, blank)
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: SingleAnnotator(POOL, "ties"),
        lambda: MajorityAnnotator(POOL),
        lambda: MajorityAnnotator(POOL.select(["plain", "ties"]), seed=3),
        lambda: UwoAnnotator(POOL),
        lambda: RandomAnnotator(POOL, seed=1),
        lambda: ScoreEnsembleAnnotator(POOL, {"plain": ScoreScale(70.0, 40.0)}, caution=1.0),
        lambda: OfflineOnlyAnnotator(POOL, TinyRouter()),
        oracle,
        Learner,
    ],
)
def test_what_keeps_the_contract_passes(make):
    check_annotator(make)


class Coin(Stateless):
    """Sends each call to an RM that no seed decides."""

    def annotate(self, pairs, step):
        return call_in_order(
            POOL, pairs, [random.SystemRandom().sample(POOL.names, len(POOL)) for _ in pairs], step
        )


class ByPrompt(Stateless):
    """Sends a whole call to one RM, by the mean of the prompts' embeddings."""

    def annotate(self, pairs, step):
        assert step.prompt_embeddings.shape == (len(pairs), 3)
        mean = float(step.prompt_embeddings.sum()) / max(len(pairs), 1)
        order = POOL.names if mean > 0 else POOL.names[::-1]
        return call_in_order(POOL, pairs, [order] * len(pairs), step)


def test_options_leave_out_what_a_strategy_does_not_promise():
    check_annotator(Coin, deterministic=False)
    embeddings = np.array([[1, 0, 0]] * 3 + [[-2, 0, 0]] * 3, dtype=np.float32)
    check_annotator(ByPrompt, chunked=False, prompt_embeddings=embeddings)
    with pytest.raises(ConformanceError, match="a batch in two calls must be labelled as in one"):
        check_annotator(ByPrompt, prompt_embeddings=embeddings)


def test_pairs_of_the_callers_choice():
    pairs = [PreferencePair(str(i), f"q{i}", f"x{i}", f"y{i}") for i in range(40)]
    check_annotator(lambda: RandomAnnotator(POOL), pairs)


class AFirst:
    """Prefers what comes first in the alphabet; names A where both are equal."""

    name = "a-first"

    def judge(self, pairs):
        return [Verdict(self.name, "A" if pair.response_a <= pair.response_b else "B") for pair in pairs]


def test_equal_responses_have_nothing_to_exchange():
    pairs = [PreferencePair("equal", "q", "x", "x"), PreferencePair("other", "q", "x", "y")]
    check_annotator(lambda: SingleAnnotator(RewardModelPool([AFirst()]), "a-first"), pairs)


def test_an_annotator_where_a_function_is_needed_is_the_callers_mistake():
    with pytest.raises(TypeError, match="give lambda: MyAnnotator"):
        check_annotator(MajorityAnnotator(POOL))


def test_the_pool_of_these_tests_ties_and_fails():
    kinds = {winner_code(v.winner) for rm in POOL.names for v in POOL.judge(rm, sample_pairs())}
    assert {A, B, TIE} <= kinds
    assert len(kinds) == 4
