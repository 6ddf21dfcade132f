"""Recorded verdicts in both forms: the same recordings, every missing answer named."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.datasets.recordings import load_recordings
from rewardrouter.errors import DataError

PAIRS = pd.DataFrame(
    [
        {
            "id": f"p{i}",
            "prompt": f"q{i}",
            "response_a": "x",
            "response_b": "y",
            "label": label,
            "domain": "d",
        }
        for i, label in enumerate(["A", "B", None, "A"])
    ]
)
CALL = {
    "pair_id": "p0",
    "rm": "r",
    "score_a": 1.0,
    "score_b": 0.0,
    "winner": "A",
    "error": None,
    "seconds": 0.1,
}
FAILURE = {"score_a": None, "score_b": None, "winner": None, "error": "timed out"}


def write_folder(
    folder: Path, *parts: list[dict], pairs: pd.DataFrame = PAIRS, manifest: object = None
) -> Path:
    (folder / "verdicts").mkdir(parents=True)
    pairs.to_parquet(folder / "pairs.parquet")
    for number, calls in enumerate(parts, start=1):
        pd.DataFrame(calls).to_parquet(folder / "verdicts" / f"part-{number}.parquet")
    if manifest is not None:
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def write_wide(path: Path, **columns: list) -> Path:
    PAIRS.assign(**columns).to_parquet(path)
    return path


def winners(recordings) -> dict[str, list]:
    return {rm: [row[n].winner for row in recordings.verdicts] for n, rm in enumerate(recordings.rms)}


# The wide file


def test_a_wide_file(tmp_path):
    columns = {
        "score_a__point": [1.0, 0.0, 2.0, 2.0],
        "score_b__point": [0.0, 1.0, 2.0, None],
        "verdict__judge": ["A", "Tie", None, "neither"],
        "score_a__both": [1.0, 5.0, 1.0, 1.0],
        "score_b__both": [0.0, 1.0, 0.0, 0.0],
        "verdict__both": ["A", "B", None, "A"],
    }
    recordings = load_recordings(write_wide(tmp_path / "wide.parquet", **columns))
    assert winners(recordings) == {
        "point": ["A", "B", "tie", None],
        "judge": ["A", "tie", None, None],
        "both": ["A", "B", "A", "A"],
    }
    assert recordings.labels == ("A", "B", None, "A")
    assert recordings.report.problems == {
        "nan_score": ["p3 (point)"],
        "missing_verdict": ["p2 (judge)"],
        "unparsable_verdict": ["p3 (judge)"],
        "score_verdict_conflict": ["p1 (both)"],
    }
    assert (recordings.verdicts[0][0].score_a, recordings.verdicts[0][0].score_b) == (1.0, 0.0)


def test_labelled_leaves_out_and_names_the_others(tmp_path):
    path = write_wide(tmp_path / "wide.parquet", verdict__r=["A", "A", None, "A"])
    recordings = load_recordings(path, labelled=True)
    assert [pair.id for pair in recordings.pairs] == ["p0", "p1", "p3"]
    assert recordings.report.problems == {"missing_label": ["p2"]}
    assert recordings.report.rows_used == 3


def test_the_pool_and_its_order_are_the_callers(tmp_path):
    path = write_wide(
        tmp_path / "w.parquet", verdict__a=["A"] * 4, verdict__b=["B"] * 4, verdict__c=["x"] * 4
    )
    assert load_recordings(path, ["b", "a"]).rms == ("b", "a")
    assert load_recordings(path, ["b"]).report.problems == {}
    with pytest.raises(DataError, match="no verdict of c can be read: verdict is 'x', not A or B"):
        load_recordings(path)


@pytest.mark.parametrize(
    ("rms", "expected"),
    [
        (
            ["judge-2"],
            r"no verdicts of the reward model 'judge-2'\. Did you mean judge-1\? Known: judge-1, silent",
        ),
        (
            ["silent"],
            r"the reward model 'silent' has no usable verdict on any pair \(no verdict recorded\); leave it out",
        ),
        (["judge-1", "judge-1"], "each once; found judge-1, judge-1"),
        ([], "name at least one reward model"),
    ],
)
def test_a_pool_that_cannot_be_had_is_refused(tmp_path, rms, expected):
    path = write_wide(
        tmp_path / "w.parquet", **{"verdict__judge-1": ["A"] * 4, "verdict__silent": [None] * 4}
    )
    with pytest.raises(DataError, match=expected):
        load_recordings(path, rms)


def test_scores_that_are_text_are_named_as_the_reason_with_their_column(tmp_path):
    text = {"score_a__text": ["0,5", "high", None, "1"], "score_b__text": ["0,1", "0.1", None, None]}
    path = write_wide(tmp_path / "w.parquet", verdict__judge=["A"] * 4, **text)
    with pytest.raises(
        DataError, match="no verdict of text can be read: score_a__text is not a number: '0,5'"
    ):
        load_recordings(path)
    with pytest.raises(DataError, match=r"'text' has .* \(score_a__text is not a number: '0,5'\); leave it"):
        load_recordings(path, ["judge", "text"])


def test_a_single_score_that_is_text_is_counted_apart_from_a_missing_one(tmp_path):
    scores = {"score_a__r": [1, "0,5", None, 2], "score_b__r": [2, 1, 1, "high"]}
    rows = [PAIRS.loc[i, :].dropna().to_dict() | {name: s[i] for name, s in scores.items()} for i in range(4)]
    (tmp_path / "w.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = load_recordings(tmp_path / "w.jsonl").report
    assert report.problems == {"score_not_a_number": ["p1 (r)", "p3 (r)"], "nan_score": ["p2 (r)"]}
    assert report.lines()[0] == "score that is not a number: 2 verdicts counted as failed: p1 (r), p3 (r)"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, r"expected the columns score_a__NAME and score_b__NAME, or verdict__NAME; found id, prompt"),
        ({"score_b__r": [1.0] * 4}, r"has score_b__r without score_a__r"),
        ({"score_a__r": [1.0] * 4, "verdict__r": ["A"] * 4}, r"has score_a__r without score_b__r"),
        (
            {"score_a__r": [1.0] * 4, "score_b_r": [1.0] * 4},
            r"has score_a__r without score_b__r, but score_b_r: rename it$",
        ),
        (
            {"verdict__r": [None] * 4, "verdict__s": ["?"] * 4},
            r"no verdict of s can be read: verdict is '\?'",
        ),
    ],
)
def test_columns_that_make_no_pool_are_an_error(tmp_path, columns, expected):
    with pytest.raises(DataError, match=expected):
        load_recordings(write_wide(tmp_path / "wide.parquet", **columns))


def test_verdicts_on_the_preference_form_are_refused(tmp_path):
    (tmp_path / "w.jsonl").write_text('{"prompt": "p", "chosen": "x", "rejected": "y", "verdict__r": "A"}\n')
    with pytest.raises(DataError, match="response_a and response_b are needed"):
        load_recordings(tmp_path / "w.jsonl")


def test_without_any_label_labelled_is_an_error(tmp_path):
    PAIRS.drop(columns="label").assign(verdict__r="A").to_parquet(tmp_path / "w.parquet")
    assert load_recordings(tmp_path / "w.parquet").labels == (None,) * 4
    with pytest.raises(DataError, match="no column label, which says whether A or B is better; found id"):
        load_recordings(tmp_path / "w.parquet", labelled=True)


# The folder of collect


def test_a_call_never_made_is_a_named_failure(tmp_path):
    recordings = load_recordings(write_folder(tmp_path / "v", [CALL, CALL | {"pair_id": "p3"}]))
    assert winners(recordings) == {"r": ["A", None, None, "A"]}
    assert recordings.report.problems == {"missing_verdict": ["p1 (r)", "p2 (r)"]}


@pytest.mark.parametrize(
    ("calls", "winner", "problems"),
    [
        ([FAILURE, {}], "A", {}),
        ([{}, FAILURE], "A", {}),
        ([FAILURE, FAILURE | {"error": "again"}], None, {"missing_verdict": ["p0 (r)"]}),
        ([{}, {}], "A", {}),
        ([{}, {"winner": "B", "score_a": 0.0, "score_b": 1.0}], "A", {"conflicting_verdicts": ["p0 (r)"]}),
        (
            [FAILURE, {}, FAILURE, {"winner": "tie", "score_b": 1.0}],
            "A",
            {"conflicting_verdicts": ["p0 (r)"]},
        ),
    ],
)
def test_a_verdict_once_given_stands_and_a_failure_may_be_replaced(tmp_path, calls, winner, problems):
    others = [CALL | {"pair_id": f"p{i}"} for i in (1, 2, 3)]
    parts = [others, *([CALL | call] for call in calls)]
    recordings = load_recordings(write_folder(tmp_path / "v", *parts))
    assert winners(recordings)["r"][0] == winner
    assert recordings.report.problems == problems


def test_parts_are_read_in_the_order_of_their_numbers(tmp_path):
    others = [CALL | {"pair_id": f"p{i}"} for i in (1, 2, 3)]
    folder = write_folder(
        tmp_path / "v", others, *[[CALL | {"winner": None, "error": str(i)}] for i in range(9)]
    )
    pd.DataFrame([CALL]).to_parquet(folder / "verdicts" / "part-11.parquet")
    pd.DataFrame([CALL | FAILURE | {"error": "last"}]).to_parquet(folder / "verdicts" / "part-9.parquet")
    assert winners(load_recordings(folder))["r"][0] == "A"
    (folder / "verdicts" / "part-11.parquet").unlink()
    assert load_recordings(folder).verdicts[0][0].error == "8"


def test_verdicts_on_unknown_pairs_are_named_but_not_those_on_dropped_ones(tmp_path):
    pairs = PAIRS.assign(label=["A", "C", None, "A"])
    calls = [CALL | {"pair_id": name} for name in ("p0", "p1", "p2", "p3", "elsewhere")]
    report = load_recordings(write_folder(tmp_path / "v", calls, pairs=pairs), labelled=True).report
    assert report.problems == {
        "bad_label": ["p1"],
        "missing_label": ["p2"],
        "unknown_pair": ["elsewhere (r)"],
    }


def test_pairs_without_ids_are_joined_by_their_digests(tmp_path):
    pairs = PAIRS.drop(columns="id")
    pairs.assign(verdict__r="A").to_parquet(tmp_path / "w.parquet")
    ids = [pair.id for pair in load_recordings(tmp_path / "w.parquet").pairs]
    folder = write_folder(tmp_path / "v", [CALL | {"pair_id": name} for name in ids], pairs=pairs)
    assert load_recordings(folder, labelled=True).report.problems == {"missing_label": [ids[2]]}


def test_the_manifest_orders_the_pool(tmp_path):
    calls = [CALL | {"pair_id": f"p{i}", "rm": rm} for rm in "abc" for i in range(4)]
    folder = write_folder(tmp_path / "v", calls, manifest={"rms": ["c", "never", "a"], "settings": {"k": 1}})
    recordings = load_recordings(folder)
    assert recordings.rms == ("c", "a", "b")
    assert recordings.report.problems == {"rm_without_verdicts": ["never (no verdict recorded)"]}


@pytest.mark.parametrize("manifest", ["{", "[]", '{"rms": "a,b"}', '{"rms": [{"name": "a"}]}'])
def test_a_manifest_that_names_no_pool_is_an_error(tmp_path, manifest):
    folder = write_folder(tmp_path / "v", [CALL])
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(DataError, match=r"manifest\.json: (broken JSON|expected an object whose rms)"):
        load_recordings(folder)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([{"pair_id": "p0", "rm": "r"}], r"part-1\.parquet: no column winner; found pair_id, rm"),
        ([CALL | {"rm": None}], r"part-1\.parquet, row 1: pair_id or rm is missing"),
    ],
)
def test_calls_that_cannot_be_attributed_are_an_error(tmp_path, calls, expected):
    with pytest.raises(DataError, match=expected):
        load_recordings(write_folder(tmp_path / "v", calls))


def test_an_unfinished_folder_is_an_error(tmp_path):
    folder = write_folder(tmp_path / "v")
    with pytest.raises(DataError, match=r"no verdicts/\*\.parquet in it"):
        load_recordings(folder)
    (folder / "pairs.parquet").unlink()
    with pytest.raises(DataError, match=r"pairs\.parquet: no such file"):
        load_recordings(folder)


# Law: both forms give the same recordings

score = st.none() | st.floats(-5, 5).map(lambda x: round(x, 1))
answer = st.fixed_dictionaries(
    {"score_a": score, "score_b": score, "winner": st.sampled_from(["A", "B", "tie", None])}
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(answer, min_size=4, max_size=4), min_size=1, max_size=3))
def test_the_wide_file_and_the_folder_agree(tmp_path_factory, by_rm):
    tmp = tmp_path_factory.mktemp("forms")
    first = {"score_a": 1.0, "score_b": 0.0, "winner": "A"}
    by_rm = [[first, *answers[1:]] for answers in by_rm]  # every RM has a verdict
    wide = {
        f"{column}__rm{n}": [a["winner" if column == "verdict" else column] for a in answers]
        for n, answers in enumerate(by_rm)
        for column in ("score_a", "score_b", "verdict")
    }
    calls = [
        a | {"pair_id": f"p{i}", "rm": f"rm{n}", "error": None, "seconds": None}
        for n, answers in enumerate(by_rm)
        for i, a in enumerate(answers)
    ]
    one = load_recordings(write_wide(tmp / "wide.parquet", **wide))
    other = load_recordings(
        write_folder(tmp / "folder", calls[::2], calls[1::2], manifest={"rms": list(one.rms)})
    )
    assert (one.pairs, one.labels, one.rms, one.verdicts) == (
        other.pairs,
        other.labels,
        other.rms,
        other.verdicts,
    )
    assert one.report == other.report
