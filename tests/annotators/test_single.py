"""One RM for all pairs."""

import numpy as np
import pandas as pd
import pytest
from scripted import scripted

from rewardrouter.annotators import SingleAnnotator, StepContext
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.errors import ConfigError
from rewardrouter.reward_models import recorded_pool
from rewardrouter.testing import check_annotator
from rewardrouter.verdicts import FAILED, TIE, A, B

STEP = StepContext("batch")


def test_every_pair_goes_to_the_one_rm_and_to_nobody_else():
    table = scripted([[A, B], [A, TIE], [A, FAILED]])
    given = SingleAnnotator(recorded_pool(table), "rm1").annotate(table.pairs, STEP)
    assert [one.label for one in given] == ["B", None, None]
    assert [one.rm for one in given] == ["rm1", None, None]
    assert {one.rms for one in given} == {("rm1",)}
    assert [one.reason for one in given] == [None, "rm1: tie", "rm1: no usable verdict recorded"]


def test_an_rm_outside_the_pool_is_refused():
    with pytest.raises(ConfigError, match=r"no reward model 'rm7'\. Did you mean"):
        SingleAnnotator(recorded_pool(scripted([[A]])), "rm7")


def test_it_keeps_the_contract():
    table = scripted([[A], [B], [TIE], [FAILED], [B]])
    check_annotator(lambda: SingleAnnotator(recorded_pool(table), "rm0"), table.pairs)


@pytest.mark.parametrize("name", ["rewardbench9_dev", "pandalm_4judges"])
def test_real_accuracy_against_pandas(shared_data, name):
    path = shared_data / "verdicts" / f"{name}.parquet"
    frame, table = pd.read_parquet(path).reset_index(drop=True), load_verdicts(path).table
    pool = recorded_pool(table)
    for rm in pool.names:
        if f"verdict__{rm}" in frame:
            winner = frame[f"verdict__{rm}"]
        else:
            margin = frame[f"score_a__{rm}"] - frame[f"score_b__{rm}"]
            winner = pd.Series(np.select([margin > 0, margin < 0], ["A", "B"], "tie"))
        labels = pd.Series([one.label for one in SingleAnnotator(pool, rm).annotate(table.pairs, STEP)])
        assert (labels == frame["label"]).mean() == (winner == frame["label"]).mean()
        assert labels.isna().sum() == (~winner.isin(["A", "B"])).sum()
