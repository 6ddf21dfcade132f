"""Recordings answer by content: whatever the row, the id or the order of the responses."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import scored, scripted, winner_grids

from rewardrouter.datasets.recordings import load_recordings
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.reward_models import RecordedRewardModel, recorded_pool
from rewardrouter.testing import check_reward_model
from rewardrouter.verdicts import FAILED, TIE, A, B, Verdict

FLIPPED = {"A": "B", "B": "A", "tie": "tie", None: None}
PAIR = PreferencePair("1", "q", "x", "y")
VERDICT = Verdict("rm", "A", 2.0, 1.0, None, 0.25)


def recorded(*records):
    pairs, verdicts = zip(*records, strict=True)
    return RecordedRewardModel("rm", pairs, verdicts)


def ask(model, pair):
    (verdict,) = model.judge([pair])
    return verdict


def test_what_was_recorded_is_repeated_whole():
    assert ask(recorded((PAIR, VERDICT)), PAIR) == VERDICT


def test_exchanged_responses_get_the_exchanged_verdict():
    model = recorded((PAIR, VERDICT))
    assert ask(model, PAIR.swapped()) == Verdict("rm", "B", 1.0, 2.0, None, 0.25)
    tie, failure = Verdict("rm", "tie", 1.0, 1.0), Verdict.failed("rm", "timed out", 9.0)
    assert ask(recorded((PAIR, tie)), PAIR.swapped()) == tie
    assert ask(recorded((PAIR, failure)), PAIR.swapped()) == failure


def test_the_id_is_not_what_is_looked_up():
    model = recorded((PAIR, VERDICT))
    assert ask(model, dataclasses.replace(PAIR, id="another", metadata={"domain": "d"})) == VERDICT


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "q "},
        {"response_a": "X"},
        {"response_b": "x"},
        {"prompt": (Message("user", "q"),)},
        {"response_a": (Message("assistant", "x"),)},
    ],
)
def test_other_texts_under_a_known_id_have_no_verdict(change):
    verdict = ask(recorded((PAIR, VERDICT)), dataclasses.replace(PAIR, **change))
    assert verdict == Verdict.failed("rm", "no verdict recorded for this prompt and these responses")


def other(name, pair=PAIR):
    return dataclasses.replace(pair, id=name)


def test_a_text_recorded_under_several_ids_answers_each_with_its_own():
    model = recorded((PAIR, VERDICT), (other("2"), Verdict("rm", "tie")), (other("3"), Verdict("rm", "B")))
    assert [verdict.winner for verdict in model.judge([other("3"), PAIR, other("2")])] == ["B", "A", "tie"]


def test_an_unknown_id_gets_the_first_usable_recording_else_the_first_failure():
    failed, again = Verdict.failed("rm", "timed out"), Verdict.failed("rm", "again")
    usable = recorded((PAIR, failed), (other("2"), Verdict("rm", "B")), (other("3"), Verdict("rm", "A")))
    assert ask(usable, other("4")).winner == "B"
    assert ask(usable, PAIR) == failed
    assert ask(recorded((PAIR, failed), (other("2"), again)), other("3")) == failed


def test_ids_and_usable_recordings_are_found_in_either_order_of_the_responses():
    """A judge may have been asked one text in both orders, and have preferred what stood first."""
    biased = recorded((PAIR, Verdict("rm", "A")), (other("2", PAIR.swapped()), Verdict("rm", "A")))
    assert ask(biased, PAIR).winner == "A"
    assert ask(biased, other("2")).winner == "B"
    assert ask(biased, other("2", PAIR.swapped())).winner == "A"
    failed_first = recorded(
        (PAIR, Verdict.failed("rm", "down")), (other("2", PAIR.swapped()), Verdict("rm", "A"))
    )
    assert ask(failed_first, other("3")).winner == "B"


texts = st.sampled_from(["x", "y", (Message("assistant", "x"),)])
some_pairs = st.builds(PreferencePair, st.sampled_from("123"), st.sampled_from("pq"), texts, texts)
verdicts = st.sampled_from(
    [Verdict("rm", "A", 1.0, 0.0), Verdict("rm", "B"), Verdict("rm", "tie"), Verdict.failed("rm", "down")]
)


@given(st.lists(st.tuples(some_pairs, verdicts), min_size=1, max_size=8), st.lists(some_pairs, max_size=8))
def test_whatever_was_recorded_exchanging_the_responses_exchanges_the_verdict(records, asked):
    model = recorded(*records)
    asked = [pair for pair in asked if pair.response_a != pair.response_b]
    for verdict, turned in zip(
        model.judge(asked), model.judge([pair.swapped() for pair in asked]), strict=True
    ):
        assert turned.winner == FLIPPED[verdict.winner]
        assert (turned.score_a, turned.score_b) == (verdict.score_b, verdict.score_a)
        assert turned.error == verdict.error


@given(winner_grids(), st.randoms())
def test_a_pool_repeats_its_table_in_any_order(winners, rng):
    table = scripted(winners)
    pool = recorded_pool(table)
    assert pool.names == table.rms
    rows = rng.sample(range(len(table)), len(table))
    for rm in table.rms:
        expected = [table.verdict(row, rm) for row in rows]
        assert pool.judge(rm, [table.pairs[row] for row in rows]) == expected


def test_scores_are_repeated_too():
    pool = recorded_pool(scored([[2.5, np.nan]], [[1.5, 1.0]]))
    assert pool.judge("rm0", [PreferencePair("p0", "q0", "x0", "y0")]) == [Verdict("rm0", "A", 2.5, 1.5)]
    (missing,) = pool.judge("rm1", [PreferencePair("p0", "q0", "x0", "y0")])
    assert missing == Verdict.failed("rm1", "no usable verdict recorded")


def test_recordings_keep_their_reasons_and_a_recorded_rm_keeps_the_contract(tmp_path):
    frame = pd.DataFrame(
        {
            "id": ["1", "2", "3"],
            "prompt": ["p", "q", "r"],
            "response_a": ["x", "", "x"],
            "response_b": "y",
            "score_a__rm": [1.0, 2.0, None],
            "score_b__rm": [0.0, 2.0, 1.0],
        }
    )
    frame.to_parquet(tmp_path / "verdicts.parquet")
    recordings = load_recordings(tmp_path / "verdicts.parquet")
    pool = recorded_pool(recordings)
    replies = pool.judge("rm", recordings.pairs)
    assert [(v.winner, v.error) for v in replies[:2]] == [("A", None), ("tie", None)]
    assert replies[2].error == "scores unusable: None, 1.0"
    check_reward_model(pool_member(recordings), recordings.pairs)


def pool_member(recordings):
    return RecordedRewardModel(recordings.rms[0], recordings.pairs, [row[0] for row in recordings.verdicts])


def test_the_identity_is_that_of_every_record():
    identity = recorded((PAIR, VERDICT)).identity
    assert (
        identity == RecordedRewardModel("other", [PAIR], [dataclasses.replace(VERDICT, rm="other")]).identity
    )
    changed = [
        (PAIR, dataclasses.replace(VERDICT, score_a=3.0)),
        (PAIR.swapped(), VERDICT),
        (other("2"), VERDICT),
        (dataclasses.replace(PAIR, prompt="r"), VERDICT),
        (PAIR, Verdict.failed("rm", "down")),
    ]
    identities = [recorded(record).identity["records"] for record in changed]
    assert len({identity["records"], *identities}) == 6


def test_pairs_and_verdicts_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="zip"):
        RecordedRewardModel("rm", [PAIR], [])


@pytest.mark.parametrize("name", ["rewardbench9_dev", "pandalm_4judges"])
def test_real_recordings_are_repeated_row_by_row(shared_data, name):
    """Some pairs of PandaLM are the same text under two ids."""
    table = load_verdicts(shared_data / "verdicts" / f"{name}.parquet").table
    pool = recorded_pool(table)
    codes = {"A": A, "B": B, "tie": TIE, None: FAILED}
    for n, rm in enumerate(table.rms):
        winners = [codes[verdict.winner] for verdict in pool.judge(rm, table.pairs)]
        np.testing.assert_array_equal(winners, table.winners[:, n])
        swapped = [codes[v.winner] for v in pool.judge(rm, [pair.swapped() for pair in table.pairs])]
        expected = np.where(np.isin(table.winners[:, n], (A, B)), -table.winners[:, n], table.winners[:, n])
        np.testing.assert_array_equal(swapped, expected)


def test_real_recordings_keep_the_contract(shared_data):
    recordings = load_recordings(shared_data / "verdicts" / "pandalm_4judges.parquet")
    for n, rm in enumerate(recordings.rms):
        check_reward_model(
            RecordedRewardModel(rm, recordings.pairs, [row[n] for row in recordings.verdicts]),
            recordings.pairs,
        )
