"""Verdict tables from disk, against direct computations on real files."""

import numpy as np
import pandas as pd
import pytest

from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.errors import DataError
from rewardrouter.verdicts import FAILED, A, B

WIDE = pd.DataFrame(
    {
        "id": ["p0", "p1", "p2", "p3", "p3"],
        "prompt": ["q0", "q1", "q2", "q3", "q4"],
        "response_a": "x",
        "response_b": "y",
        "label": ["A", "B", "C", "B", "A"],
        "score_a__point": [2.0, 1.0, 0.0, np.nan, 0.0],
        "score_b__point": [1.0, 3.0, 0.0, 1.0, 0.0],
        "verdict__judge": ["B", "tie", "A", "C", "A"],
    }
)


def test_a_table_keeps_what_can_be_used_and_names_the_rest(tmp_path):
    WIDE.to_parquet(tmp_path / "wide.parquet")
    loaded = load_verdicts(tmp_path / "wide.parquet")
    table = loaded.table
    assert [pair.id for pair in table.pairs] == ["p0", "p1", "p3"]
    assert table.labels.tolist() == [A, B, B]
    assert table.labels.dtype == table.winners.dtype == np.int8
    np.testing.assert_array_equal(table.winners, [[A, B], [B, 0], [FAILED, FAILED]])
    np.testing.assert_array_equal(table.scores_a, [[2.0, np.nan], [1.0, np.nan], [np.nan, np.nan]])
    assert loaded.report.problems == {
        "bad_label": ["p2"],
        "duplicate_id": ["p3"],
        "nan_score": ["p3 (point)"],
        "unparsable_verdict": ["p3 (judge)"],
    }
    assert (loaded.report.rows_read, loaded.report.rows_used) == (5, 3)
    assert loaded.coverage.n_pairs == 3


def test_no_metadata_of_a_pair_holds_label_or_verdicts(tmp_path):
    WIDE.assign(domain="d").to_parquet(tmp_path / "wide.parquet")
    for pair in load_verdicts(tmp_path / "wide.parquet").table.pairs:
        assert dict(pair.metadata) == {"domain": "d"}


def test_an_unlabelled_file_is_refused(tmp_path):
    WIDE.assign(label=None).to_parquet(tmp_path / "wide.parquet")
    with pytest.raises(DataError, match="has a label: the column label holds none"):
        load_verdicts(tmp_path / "wide.parquet")


def accuracy(frame: pd.DataFrame, winner: pd.Series) -> float:
    decided = winner.isin(["A", "B"])
    return (winner == frame["label"])[decided].mean()


def test_rewardbench_against_pandas(shared_data):
    path = shared_data / "verdicts" / "rewardbench9_dev.parquet"
    frame, loaded = pd.read_parquet(path), load_verdicts(path)
    assert loaded.report.problems == {}
    assert [pair.id for pair in loaded.table.pairs] == list(frame["id"])
    assert list(loaded.table.groups) == list(frame["group"])
    right = np.zeros(len(frame), dtype=int)
    wrong = np.zeros(len(frame), dtype=int)
    assert len(loaded.coverage.rms) == 9
    for rm in loaded.coverage.rms:
        margin = frame[f"score_a__{rm.rm}"] - frame[f"score_b__{rm.rm}"]
        winner = margin.map(lambda m: "A" if m > 0 else "B" if m < 0 else "tie")
        assert rm.accuracy == pytest.approx(accuracy(frame, winner), abs=1e-12)
        assert (rm.ties, rm.failed) == ((winner == "tie").sum(), 0)
        right += (winner == frame["label"]).to_numpy()
        wrong += ((winner != frame["label"]) & (winner != "tie")).to_numpy()
        for domain in loaded.coverage.domains:
            rows = frame["domain"] == domain.domain
            assert domain.n_pairs == rows.sum()
            assert domain.accuracy[rm.rm] == pytest.approx(accuracy(frame[rows], winner[rows]), abs=1e-12)
    assert loaded.coverage.n_kept == (right > 0).sum()
    assert loaded.coverage.n_disagreement == (right * wrong).sum() == len(loaded.table.disagreements())
    assert loaded.coverage.n_disagreement_pairs == ((right > 0) & (wrong > 0)).sum()


def test_a_pool_of_rewardbench_is_ordered_as_asked(shared_data):
    path = shared_data / "verdicts" / "rewardbench9_dev.parquet"
    pool = ["RM-Mistral-7B", "internlm2-1_8b-reward"]
    table = load_verdicts(path, pool).table
    assert table.rms == tuple(pool)
    np.testing.assert_array_equal(table.scores_b[:, 0], pd.read_parquet(path)["score_b__RM-Mistral-7B"])


def test_pandalm_against_pandas(shared_data):
    path = shared_data / "verdicts" / "pandalm_4judges.parquet"
    frame, loaded = pd.read_parquet(path), load_verdicts(path)
    empty = (frame["response_a"].str.strip() == "") | (frame["response_b"].str.strip() == "")
    assert loaded.report.problems["empty_response"] == list(frame["id"][empty])
    assert (empty.sum(), len(loaded.table)) == (52, 894)
    assert [pair.id for pair in loaded.table.pairs] == list(frame["id"])
    for rm in loaded.coverage.rms:
        verdict = frame[f"verdict__{rm.rm}"]
        assert rm.accuracy == pytest.approx(accuracy(frame, verdict), abs=1e-12)
        assert rm.ties == (verdict == "tie").sum()
        assert rm.failed == verdict.isna().sum()
        assert rm.observed + rm.ties + rm.failed == len(frame)
    missing = frame["id"][frame["verdict__gpt-3.5-turbo"].isna()]
    assert loaded.report.problems["missing_verdict"] == [f"{name} (gpt-3.5-turbo)" for name in missing]
    assert set(loaded.report.problems) == {"empty_response", "missing_verdict"}


def test_pandalm_as_a_folder_gives_the_same_table(shared_data, tmp_path):
    path = shared_data / "verdicts" / "pandalm_4judges.parquet"
    frame, wide = pd.read_parquet(path), load_verdicts(path)
    calls = pd.concat(
        pd.DataFrame(
            {
                "pair_id": frame["id"],
                "rm": rm,
                "score_a": frame.get(f"score_a__{rm}"),
                "score_b": frame.get(f"score_b__{rm}"),
                "winner": frame[f"verdict__{rm}"],
                "error": frame[f"verdict__{rm}"].isna().map({True: "unparsable", False: None}),
                "seconds": 0.5,
            }
        )
        for rm in wide.table.rms
    ).sample(frac=1, random_state=0)
    (tmp_path / "verdicts").mkdir()
    frame[["id", "prompt", "response_a", "response_b", "label", "domain"]].to_parquet(
        tmp_path / "pairs.parquet"
    )
    calls[:1000].to_parquet(tmp_path / "verdicts" / "0.parquet")
    calls[1000:].to_parquet(tmp_path / "verdicts" / "1.parquet")
    folder = load_verdicts(tmp_path, wide.table.rms)
    assert folder.table.pairs == wide.table.pairs
    for name in ("labels", "winners", "scores_a", "scores_b"):
        np.testing.assert_array_equal(getattr(folder.table, name), getattr(wide.table, name))
    assert (folder.report, folder.coverage) == (wide.report, wide.coverage)
