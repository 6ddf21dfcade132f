"""An empty response is what some model answered: kept and named, unlike one that is absent."""

import pandas as pd
import pytest

from rewardrouter.datasets.pairs import load_pairs, pairs_of_rows
from rewardrouter.pairs import as_json

OURS = {"id": "1", "prompt": "p", "response_a": "x", "response_b": "y", "label": "A"}


def message(role, content):
    return {"role": role, "content": content}


def better_first(loaded):
    """The responses of the only pair, the better one first."""
    (pair,) = loaded.pairs
    chosen_first = pair if loaded.labels == ("A",) else pair.swapped()
    return [as_json(chosen_first.response_a), as_json(chosen_first.response_b)]


@pytest.mark.parametrize("empty", ["", " \n\t", [message("assistant", "")]])
@pytest.mark.parametrize("side", ["response_a", "response_b"])
def test_our_form(side, empty):
    loaded = pairs_of_rows([{**OURS, side: empty}], "rows")
    assert as_json(getattr(loaded.pairs[0], side)) == empty
    assert loaded.labels == ("A",)
    assert loaded.report.problems == {"empty_response": ["1"]}
    assert loaded.report.lines() == ["empty response: 1 row kept: 1"]


def test_the_preference_form():
    loaded = pairs_of_rows([{"id": "1", "prompt": "p", "chosen": "x", "rejected": ""}], "rows")
    assert better_first(loaded) == ["x", ""]
    assert loaded.report.problems == {"empty_response": ["1"]}


def test_a_whole_conversation_that_ends_in_an_empty_answer():
    question, blue, nothing = message("user", "sky?"), message("assistant", "blue"), message("assistant", "")
    loaded = pairs_of_rows([{"id": "1", "chosen": [question, nothing], "rejected": [question, blue]}], "rows")
    assert better_first(loaded) == [[nothing], [blue]]
    assert loaded.report.problems == {"empty_response": ["1"]}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_what_is_null_or_nan_in_a_file_is_absent(tmp_path, suffix):
    rows = [OURS | {"id": str(i), "response_b": text} for i, text in enumerate(["y", None, "", float("nan")])]
    if suffix == "parquet":
        pd.DataFrame(rows).to_parquet(tmp_path / "pairs.parquet")
    else:
        pd.DataFrame(rows).to_json(tmp_path / "pairs.jsonl", orient="records", lines=True)
    loaded = load_pairs(tmp_path / f"pairs.{suffix}")
    assert [pair.id for pair in loaded.pairs] == ["0", "2"]
    assert loaded.report.problems == {"missing_text": ["1", "3"], "empty_response": ["2"]}
