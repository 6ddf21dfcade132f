"""Majority vote and UWO: votes by brute force, and the coin of a tied vote."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import scripted, winner_grids

from rewardrouter.annotators import MajorityAnnotator, StepContext, UwoAnnotator
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.pairs import Message, PreferencePair, opposite
from rewardrouter.reward_models import RewardModelPool, recorded_pool
from rewardrouter.testing import check_annotator
from rewardrouter.verdicts import FAILED, TIE, A, B, Verdict

STEP = StepContext("batch")


@given(winner_grids(max_rms=6), st.integers(0, 3))
def test_labels_and_weights_by_brute_force(winners, seed):
    table = scripted(winners)
    pool = recorded_pool(table)
    majority = MajorityAnnotator(pool, seed).annotate(table.pairs, STEP)
    uwo = UwoAnnotator(pool, seed).annotate(table.pairs, STEP)
    for row, plain, weighted in zip(winners, majority, uwo, strict=True):
        votes = {"A": row.count(A), "B": row.count(B)}
        cast = votes["A"] + votes["B"]
        if votes["A"] != votes["B"]:
            assert plain.label == max(votes, key=votes.get)
        else:
            assert (plain.label is None) == (cast == 0)
        assert weighted.label == plain.label
        assert weighted.weight == (votes[plain.label] / cast if cast else 0.0)
        assert plain.weight == 1.0
        assert plain.rms == weighted.rms == table.rms
        assert plain.rm is weighted.rm is None


def test_nobody_votes():
    table = scripted([[TIE, FAILED]])
    for kind in (MajorityAnnotator, UwoAnnotator):
        (annotation,) = kind(recorded_pool(table)).annotate(table.pairs, STEP)
        assert annotation.label is None
        assert annotation.reason == "rm0: tie; rm1: no usable verdict recorded"


# The coin


class Says:
    def __init__(self, name, choose):
        self.name, self._choose = name, choose

    def judge(self, pairs):
        return [Verdict(self.name, self._choose(pair)) for pair in pairs]


def smaller(pair):
    return "A" if str(pair.response_a) < str(pair.response_b) else "B"


TIED = RewardModelPool([Says("smaller", smaller), Says("larger", lambda pair: opposite(smaller(pair)))])
texts = st.text(max_size=5) | st.lists(
    st.builds(Message, st.just("assistant"), st.text(max_size=3)), min_size=1, max_size=2
).map(tuple)


def coins(pairs, seed=0, step=STEP):
    return [annotation.label for annotation in MajorityAnnotator(TIED, seed).annotate(pairs, step)]


@given(st.text(max_size=4), texts, texts, st.integers(0, 2**40), st.integers(0, 5))
def test_exchanging_the_responses_turns_the_coin(name, a, b, seed, step):
    pair = PreferencePair(name, "q", a, b)
    (one,), (other,) = (coins([p], seed, StepContext("b", step)) for p in (pair, pair.swapped()))
    assert one == (opposite(other) if a != b else other)


def test_the_coin_is_fair_and_belongs_to_seed_step_and_pair():
    pairs = [PreferencePair(f"p{i}", f"q{i}", f"x{i}", f"y{i}") for i in range(2000)]
    first = np.array(coins(pairs))
    others = [coins(pairs, seed=1), coins(pairs, step=StepContext("batch", 1))]
    assert abs((first == "A").mean() - 0.5) < 0.05  # 4.5 s.e.
    for other in others:
        assert abs((first == np.array(other)).mean() - 0.5) < 0.05
    assert coins(pairs) == first.tolist()
    assert coins(pairs[::-1]) == first.tolist()[::-1]
    assert coins(pairs[7:9]) == first.tolist()[7:9]


def test_the_coin_favours_no_text():
    """Across ids, the same two responses win equally often."""
    pairs = [PreferencePair(f"p{i}", "q", "x", "y") for i in range(2000)]
    assert abs(coins(pairs).count("A") - 1000) < 100


@pytest.mark.parametrize("kind", [MajorityAnnotator, UwoAnnotator])
def test_it_keeps_the_contract(kind):
    rng = np.random.default_rng(2)
    table = scripted(rng.choice([A, B, TIE, FAILED], size=(15, 4), p=[0.4, 0.4, 0.1, 0.1]))
    check_annotator(lambda: kind(recorded_pool(table), seed=5), table.pairs)


# Real data

FOUR = (
    "internlm2-1_8b-reward",
    "GRM-Gemma-2B-rewardmodel-ft",
    "FsfairX-LLaMA3-RM-v0.1",
    "RM-Mistral-7B",
)


def real_votes(frame, rms):
    """Return how many RMs vote for A and for B, straight from the columns."""
    votes = pd.DataFrame(
        {
            rm: frame[f"verdict__{rm}"].map({"A": 1, "B": -1, "tie": 0})
            if f"verdict__{rm}" in frame
            else np.sign(frame[f"score_a__{rm}"] - frame[f"score_b__{rm}"])
            for rm in rms
        }
    )
    return (votes == 1).sum(axis=1), (votes == -1).sum(axis=1)


@pytest.mark.parametrize(
    ("name", "rms"), [("rewardbench9_dev", None), ("rewardbench9_dev", FOUR), ("pandalm_4judges", None)]
)
def test_real_accuracy_against_pandas(shared_data, name, rms):
    path = shared_data / "verdicts" / f"{name}.parquet"
    frame, table = pd.read_parquet(path).reset_index(drop=True), load_verdicts(path, rms).table
    for_a, for_b = real_votes(frame, table.rms)
    given_ = UwoAnnotator(recorded_pool(table)).annotate(table.pairs, STEP)
    labels = pd.Series([one.label for one in given_])
    weights = np.array([one.weight for one in given_])
    decided, tied = for_a != for_b, (for_a == for_b) & (for_a > 0)
    expected = (for_a > for_b).map({True: "A", False: "B"})
    assert [one.pair_id for one in given_] == list(frame["id"])
    assert (labels == frame["label"])[decided].mean() == (expected == frame["label"])[decided].mean()
    assert labels[tied].isin(["A", "B"]).all()
    assert labels[~decided & ~tied].isna().all()
    share = np.maximum(for_a, for_b) / (for_a + for_b)
    np.testing.assert_allclose(weights[decided | tied], share[decided | tied])
