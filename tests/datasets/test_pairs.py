"""Preference pairs from rows: both forms, and every bad row counted and named."""

import json
import random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.datasets.pairs import load_pairs, pairs_of_rows
from rewardrouter.errors import DataError
from rewardrouter.pairs import Message, as_json, opposite

GOOD = {"id": "good", "prompt": "p", "response_a": "x", "response_b": "y", "label": "A"}


def message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def load(*rows):
    return pairs_of_rows(rows, "rows")


# Our form


def test_our_form_with_everything(tmp_path):
    row = {**GOOD, "domain": "math", "group": "g1", "subset": "s", "note": None}
    answers = {"score_a__rm": 1.0, "score_b__rm": 2.0, "verdict__judge/x": "A"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row | answers) + "\n")
    loaded = load_pairs(tmp_path / "pairs.jsonl")
    (pair,) = loaded.pairs
    assert (pair.id, pair.prompt, pair.response_a, pair.response_b) == ("good", "p", "x", "y")
    assert dict(pair.metadata) == {"domain": "math", "group": "g1", "subset": "s"}
    assert (pair.domain, pair.group) == ("math", "g1")
    assert (loaded.labels, loaded.form, loaded.rows) == (("A",), "ours", (0,))
    assert (loaded.report.rows_read, loaded.report.rows_used, loaded.report.problems) == (1, 1, {})


def test_multi_turn_chat_with_a_system_message_through_parquet(tmp_path):
    prompt = [message("system", "s"), message("user", "1?"), message("assistant", "1"), message("user", "2?")]
    row = {"id": 7, "prompt": prompt, "response_a": [message("assistant", "2")], "response_b": "two"}
    pd.DataFrame([row]).to_parquet(tmp_path / "pairs.parquet")
    (pair,) = load_pairs(str(tmp_path / "pairs.parquet")).pairs
    assert pair.id == "7"
    assert as_json(pair.prompt) == prompt
    assert pair.response_a == (Message("assistant", "2"),)
    assert pair.response_b == "two"


def test_a_missing_label_is_fine_until_labels_are_asked_for():
    loaded = load(GOOD, {**GOOD, "id": "u", "label": None}, {**GOOD, "id": "v", "label": "B"})
    assert loaded.labels == ("A", None, "B")
    assert loaded.report.problems == {}
    labelled = loaded.labelled()
    assert [pair.id for pair in labelled.pairs] == ["good", "v"]
    assert (labelled.labels, labelled.rows, labelled.report.rows_used) == (("A", "B"), (0, 2), 2)
    assert labelled.report.problems == {"missing_label": ["u"]}
    assert loaded.report.problems == {}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"prompt": None}, "missing_text"),
        ({"prompt": " \n"}, "missing_text"),
        ({"prompt": [message("user", "")]}, "missing_text"),
        ({"response_a": None}, "missing_text"),
        ({"response_b": []}, "missing_text"),
        ({"response_a": "", "response_b": ""}, "identical_responses"),
        ({"response_a": "", "response_b": [message("assistant", " ")]}, "identical_responses"),
        ({"response_b": "x"}, "identical_responses"),
        ({"response_b": [message("assistant", "x")]}, "identical_responses"),
        ({"response_a": [message("bot", "x")]}, "malformed_messages"),
        ({"response_a": "\ud800"}, "broken_unicode"),
        ({"label": "C"}, "bad_label"),
        ({"label": "winner"}, "bad_label"),
        ({"label": 7}, "bad_label"),
        ({"label": 10**400}, "bad_label"),
        ({"id": "good"}, "duplicate_id"),
    ],
)
def test_a_bad_row_is_dropped_and_named(change, kind):
    bad = {**GOOD, "id": "bad", "prompt": "other"} | change
    loaded = load(GOOD, bad)
    assert [pair.id for pair in loaded.pairs] == ["good"]
    assert loaded.report.problems == {kind: [bad["id"]]}
    assert (loaded.report.rows_read, loaded.report.rows_used) == (2, 1)


def test_white_space_around_a_label_does_no_harm():
    assert load({**GOOD, "label": " B\n"}).labels == ("B",)


def test_a_bad_row_without_an_id_is_named_by_its_place():
    assert load(GOOD, {"prompt": "p", "response_a": "x"}).report.problems == {"missing_text": ["row 2"]}


def test_an_id_is_the_content_where_none_is_given_and_a_copy_is_a_duplicate():
    row = {name: GOOD[name] for name in ("prompt", "response_a", "response_b")}
    loaded = load(row, {**row, "prompt": "q"}, row)
    assert len({pair.id for pair in loaded.pairs}) == 2
    assert loaded.report.problems == {"duplicate_id": ["row 3"]}


def test_a_bad_first_row_does_not_use_up_its_id():
    assert load({**GOOD, "prompt": ""}, GOOD).rows == (1,)


def test_what_messages_say_beyond_role_and_content_is_flagged_not_dropped():
    loaded = load({**GOOD, "prompt": [{**message("user", "p"), "name": "Ann"}]})
    assert loaded.report.problems == {"extra_message_keys": ["good"]}
    assert len(loaded.pairs) == 1


def test_a_file_without_a_usable_row_is_an_error():
    with pytest.raises(
        DataError,
        match=r"rows: none of its 2 rows can be used: label: found 'x', expected .* label other than A or B: 2 rows",
    ):
        load({**GOOD, "label": "x"}, {**GOOD, "id": "2", "label": "y"})


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            ["prompt", "response_a", "response_B"],
            r"found prompt, response_a, response_B\. Did you mean response_",
        ),
        (
            ["question", "answer"],
            r"expected the columns prompt, response_a, response_b, or \[prompt,\] chosen",
        ),
        (["prompt", "response_a", "response_b", "chosen", "rejected"], "keep the columns of one form"),
    ],
)
def test_columns_of_neither_form_or_of_both_are_an_error(columns, expected):
    with pytest.raises(DataError, match=expected):
        load(dict.fromkeys(columns, "x"))


# TRL's preference form


def chosen_and_rejected(loaded):
    return [
        (as_json(pair.response_a), as_json(pair.response_b))
        if label == "A"
        else (as_json(pair.response_b), as_json(pair.response_a))
        for pair, label in zip(loaded.pairs, loaded.labels, strict=True)
    ]


def test_the_label_says_where_chosen_went():
    rows = [{"prompt": f"p{i}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(400)]
    loaded = load(*rows)
    assert loaded.form == "preference"
    assert chosen_and_rejected(loaded) == [(row["chosen"], row["rejected"]) for row in rows]
    assert 150 < loaded.labels.count("A") < 250  # a fair coin: 200 +- 5 s.e.


def test_position_depends_on_the_texts_and_not_on_which_was_chosen():
    for i in range(50):
        (one,), (other,) = (
            load({"prompt": f"p{i}", "chosen": "x", "rejected": "y"}).pairs,
            load({"prompt": f"p{i}", "chosen": "y", "rejected": "x"}).pairs,
        )
        assert one == other


def test_nothing_in_a_pair_of_the_preference_form_holds_the_label():
    row = {"prompt": "p", "chosen": "x", "rejected": "y", "label": "A", "margin": 3, "domain": "d"}
    assert dict(load(row).pairs[0].metadata) == {"margin": 3, "domain": "d"}


def test_implicit_prompts_as_in_trl():
    conversation = [message("system", "s"), message("user", "sky?")]
    rows = [
        {
            "chosen": [*conversation, message("assistant", "blue")],
            "rejected": [*conversation, message("assistant", "red")],
        },
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    ]
    chat, text = load(rows[0]), load(rows[1])
    assert as_json(chat.pairs[0].prompt) == conversation
    assert chosen_and_rejected(chat) == [([message("assistant", "blue")], [message("assistant", "red")])]
    assert text.pairs[0].prompt == "The sky is"
    assert chosen_and_rejected(text) == [(" blue.", " green.")]


def test_a_text_prompt_beside_whole_conversations_only_repeats_them_as_in_trl():
    question = message("user", "sky?")
    row = {
        "prompt": "sky?",
        "chosen": [question, message("assistant", "blue")],
        "rejected": [question, message("assistant", "red")],
    }
    assert as_json(load(row).pairs[0].prompt) == [question]


def test_a_text_prompt_beside_bare_answers_is_the_prompt():
    row = {
        "prompt": "sky?",
        "chosen": [message("assistant", "blue")],
        "rejected": [message("assistant", "red")],
    }
    assert load(row).pairs[0].prompt == "sky?"


def test_a_missing_prompt_is_not_made_up_from_the_responses():
    good = {"id": "1", "prompt": "p", "chosen": "x", "rejected": "y"}
    loaded = load(good, {"id": "2", "chosen": "Yes it is", "rejected": "Yes it isn't"})
    assert loaded.report.problems == {"missing_text": ["2"]}


@pytest.mark.parametrize(
    ("chosen", "rejected", "kind"),
    [
        ("blue", "red", "missing_text"),
        ("", "blue", "missing_text"),
        ("blue", "", "missing_text"),
        ("blue", " ", "missing_text"),
        ("  blue", "  red", "missing_text"),
        ([], [message("user", "x"), message("assistant", "y")], "missing_text"),
        ("same", "same", "identical_responses"),
        ("sky?", [message("user", "sky?"), message("assistant", "red")], "malformed_messages"),
    ],
)
def test_conversations_that_share_no_prompt_are_dropped(chosen, rejected, kind):
    good = {"id": "1", "chosen": "a b", "rejected": "a c"}
    assert load(good, {"id": "2", "chosen": chosen, "rejected": rejected}).report.problems == {kind: ["2"]}


# Laws

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6).filter(str.strip)
chats = st.lists(st.builds(message, st.sampled_from(["user", "assistant"]), words), min_size=1, max_size=3)
texts = words | chats
maybe = st.none() | st.just("")
ours = st.fixed_dictionaries(
    {"prompt": texts | maybe, "response_a": texts | maybe, "response_b": texts},
    optional={"label": st.sampled_from(["A", "B", "C", None]), "domain": words},
)


def numbered(rows):
    return [{"id": f"row{i}", **row} for i, row in enumerate(rows)]


def outcome(loaded):
    pairs = {pair.id: (pair, label) for pair, label in zip(loaded.pairs, loaded.labels, strict=True)}
    return pairs, {kind: sorted(ids) for kind, ids in loaded.report.problems.items()}


@given(st.lists(ours, min_size=1, max_size=8), st.randoms())
def test_order_of_rows_changes_nothing_but_order(rows, rng: random.Random):
    rows = [{**GOOD}, *numbered(rows)]
    shuffled = rng.sample(rows, len(rows))
    assert outcome(load(*rows)) == outcome(load(*shuffled))


@given(st.lists(ours, min_size=1, max_size=8))
def test_every_row_is_used_or_named_once(rows):
    loaded = load(GOOD, *numbered(rows))
    dropped = {kind: ids for kind, ids in loaded.report.problems.items() if kind != "empty_response"}
    named = [name for ids in dropped.values() for name in ids]
    assert sorted([pair.id for pair in loaded.pairs] + named) == sorted(
        [GOOD["id"], *(f"row{i}" for i in range(len(rows)))]
    )
    assert loaded.report.rows_used == len(loaded.pairs)
    empty = [pair.id for pair in loaded.pairs if "" in (pair.response_a, pair.response_b)]
    assert loaded.report.problems.get("empty_response", []) == empty


@given(texts, texts, texts, st.sampled_from("AB"))
def test_swapping_the_responses_flips_the_label(prompt, a, b, label):
    row = {"id": "1", "prompt": prompt, "response_a": a, "response_b": b, "label": label}
    turned = {"id": "1", "prompt": prompt, "response_a": b, "response_b": a, "label": opposite(label)}
    one, other = load(GOOD, row), load(GOOD, turned)
    assert chosen_and_rejected(one) == chosen_and_rejected(other)
    assert [pair.swapped() for pair in one.pairs[1:]] == list(other.pairs[1:])


# Real files


def test_gsm8k_solution_pairs(shared_data):
    path = shared_data / "pairs" / "gsm8k_solution_pairs.parquet"
    frame, loaded = pd.read_parquet(path), load_pairs(path)
    assert loaded.form == "ours"
    assert loaded.report.problems == {}
    assert [pair.id for pair in loaded.pairs] == list(frame["id"])
    assert list(loaded.labels) == list(frame["label"])
    assert [pair.response_b for pair in loaded.pairs] == list(frame["response_b"])


def test_raw_rm_bench_is_refused_not_guessed(shared_data):
    with pytest.raises(DataError, match=r"none of its \d+ rows can be used: text that is neither"):
        load_pairs(shared_data / "pairs" / "rm_bench_chat_filtered.json")
