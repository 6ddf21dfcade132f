"""The oracle: right wherever an RM of the pool is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import scripted, winner_grids

from rewardrouter.annotators import OracleAnnotator, StepContext
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.errors import DataError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models import recorded_pool
from rewardrouter.testing import check_annotator
from rewardrouter.verdicts import FAILED, TIE, A, B, winner_code

STEP = StepContext("batch")


@given(winner_grids(), st.data())
def test_right_exactly_where_some_rm_is_by_one_call(winners, data):
    labels = data.draw(st.lists(st.sampled_from([A, B]), min_size=len(winners), max_size=len(winners)))
    table = scripted(winners, labels=labels)
    given_ = OracleAnnotator(recorded_pool(table), table).annotate(table.pairs, STEP)
    right = [winner_code(one.label) == label for one, label in zip(given_, labels, strict=True)]
    assert right == table.kept.tolist()
    assert {len(one.rms) for one in given_} == {1}


def test_where_none_is_right_a_wrong_answer_is_still_one():
    table = scripted([[TIE, B], [FAILED, TIE]], labels=[A, A])
    given_ = OracleAnnotator(recorded_pool(table), table).annotate(table.pairs, STEP)
    assert [one.label for one in given_] == ["B", None]


def test_only_the_pools_rms_count():
    table = scripted([[A, B, B]], labels=[B])
    pool = recorded_pool(table).select(["rm2", "rm0"])
    (annotation,) = OracleAnnotator(pool, table).annotate(table.pairs, STEP)
    assert (annotation.label, annotation.rm) == ("B", "rm2")
    with pytest.raises(DataError, match="'rm2' has no verdicts here"):
        OracleAnnotator(pool, table.pool(["rm0", "rm1"]))


def test_a_pair_it_knows_no_label_of_is_an_error():
    table = scripted([[A]])
    with pytest.raises(KeyError, match="elsewhere"):
        OracleAnnotator(recorded_pool(table), table).annotate(
            [PreferencePair("elsewhere", "q", "x", "y")], STEP
        )


def test_it_keeps_the_contract():
    table = scripted([[A, B], [TIE, B], [FAILED, TIE]], labels=[A, B, A])
    check_annotator(lambda: OracleAnnotator(recorded_pool(table), table), table.pairs)


@pytest.mark.parametrize("name", ["rewardbench9_dev", "pandalm_4judges"])
def test_real_accuracy_is_the_share_of_kept_pairs(shared_data, name):
    table = load_verdicts(shared_data / "verdicts" / f"{name}.parquet").table
    given_ = OracleAnnotator(recorded_pool(table), table).annotate(table.pairs, STEP)
    right = np.array([winner_code(one.label) for one in given_]) == table.labels
    np.testing.assert_array_equal(right, table.kept)
