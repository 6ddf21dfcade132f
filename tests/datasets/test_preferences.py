"""Labelled files: TRL's columns, round trips, and runs that are killed and resumed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.datasets.pairs import load_pairs
from rewardrouter.datasets.preferences import PreferenceWriter, preference_row
from rewardrouter.errors import DataError
from rewardrouter.pairs import Message, PreferencePair, digest

MANIFEST = {"strategy": "routed", "router": "abc", "pool": ["r1", "r2"]}
CHAT_PAIR = PreferencePair(
    "chat",
    (Message("system", "s"), Message("user", "u")),
    (Message("assistant", "x"),),
    (Message("assistant", "y"),),
)


def text_pair(name: str, **metadata: str) -> PreferencePair:
    return PreferencePair(name, f"prompt {name}", "x", "y", metadata)


def row(name: str) -> dict:
    return preference_row(text_pair(name, domain="math"), "A", {"weight": 0.5, "rms": ["r1"]})


# One row


def test_text_stays_text_and_the_label_decides():
    pair = text_pair("1", domain="math", group="g", subset="not written")
    assert preference_row(pair, "B", {"weight": 0.5, "rms": ["r1"]}) == {
        "id": "1",
        "prompt": "prompt 1",
        "chosen": "y",
        "rejected": "x",
        "domain": "math",
        "group": "g",
        "weight": 0.5,
        "rms": ["r1"],
    }


def test_chat_stays_chat():
    assert preference_row(CHAT_PAIR, "A", {}) == {
        "id": "chat",
        "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        "chosen": [{"role": "assistant", "content": "x"}],
        "rejected": [{"role": "assistant", "content": "y"}],
    }


def test_a_pair_of_both_forms_becomes_chat():
    pair = PreferencePair("1", "u", (Message("assistant", "x"),), "y")
    written = preference_row(pair, "A", {})
    assert written["prompt"] == [{"role": "user", "content": "u"}]
    assert written["rejected"] == [{"role": "assistant", "content": "y"}]


def test_extra_columns_cannot_replace_the_pairs_own():
    with pytest.raises(ValueError, match="chosen"):
        preference_row(CHAT_PAIR, "A", {"chosen": "z"})


# The file, as others read it


@pytest.mark.parametrize("pair", [text_pair("text", domain="math"), CHAT_PAIR], ids=["text", "chat"])
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_the_datasets_library_loads_it_with_trls_columns(tmp_path, monkeypatch, suffix, pair):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    path = tmp_path / f"labelled{suffix}"
    expected = preference_row(pair, "B", {"weight": 1.0, "rms": ["r1", "r2"]})
    with PreferenceWriter(path, MANIFEST) as out:
        out.write([expected])
    loaded = datasets.load_dataset(
        "parquet" if suffix == ".parquet" else "json",
        data_files=str(path),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert {"prompt", "chosen", "rejected"} <= set(loaded.column_names)
    assert loaded[0] == expected


def test_a_parquet_file_without_rows_still_has_the_columns(tmp_path):
    with PreferenceWriter(tmp_path / "l.parquet", MANIFEST) as out:
        out.drop({"1": "all tied"})
    frame = pd.read_parquet(tmp_path / "l.parquet")
    assert list(frame.columns) == ["id", "prompt", "chosen", "rejected"]
    assert len(frame) == 0


def test_rows_with_other_columns_share_one_table(tmp_path):
    with PreferenceWriter(tmp_path / "l.parquet", MANIFEST) as out:
        out.write(
            [preference_row(text_pair("1"), "A", {}), preference_row(text_pair("2", domain="d"), "A", {})]
        )
    assert pd.read_parquet(tmp_path / "l.parquet")["domain"].isna().tolist() == [True, False]


# Round trip

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6).filter(str.strip)


def turns(*roles: str):
    message = st.builds(Message, st.sampled_from(roles), words)
    return st.lists(message, min_size=1, max_size=3).map(tuple)


def pairs_of(prompts, responses):
    return st.builds(PreferencePair, words, prompts, responses, responses, st.just({"domain": "d"})).filter(
        lambda pair: pair.response_a != pair.response_b
    )


text_pairs = pairs_of(words, words)
chat_pairs = pairs_of(turns("system", "user", "assistant"), turns("assistant", "tool"))
files = st.one_of(
    st.lists(
        st.tuples(pairs, st.sampled_from("AB")), min_size=1, max_size=4, unique_by=lambda item: item[0].id
    )
    for pairs in (text_pairs, chat_pairs)
)


@settings(max_examples=50, deadline=None)
@given(files, st.sampled_from([".jsonl", ".parquet"]))
def test_what_was_chosen_is_chosen_when_read_again(tmp_path_factory, labelled, suffix):
    path = tmp_path_factory.mktemp("out") / f"labelled{suffix}"
    with PreferenceWriter(path, MANIFEST) as out:
        out.write([preference_row(pair, label, {"weight": 1.0}) for pair, label in labelled])
    loaded = load_pairs(path)
    assert loaded.report.problems == {}
    for (pair, label), again, where in zip(labelled, loaded.pairs, loaded.labels, strict=True):
        assert (again.id, again.prompt, again.domain) == (pair.id, pair.prompt, "d")
        expected = (pair.response_a, pair.response_b)
        found = (again.response_a, again.response_b)
        assert (found if where == "A" else found[::-1]) == (expected if label == "A" else expected[::-1])


# Killed and resumed

KILLED = """
import os, signal, sys
from rewardrouter.datasets.preferences import PreferenceWriter, preference_row
from rewardrouter.pairs import PreferencePair

path, manifest = sys.argv[1], {"strategy": "routed", "router": "abc", "pool": ["r1", "r2"]}
row = lambda name: preference_row(
    PreferencePair(name, "prompt " + name, "x", "y", {"domain": "math"}), "A", {"weight": 0.5, "rms": ["r1"]}
)
with PreferenceWriter(path, manifest) as out:
    out.write([row("1"), row("2")])
    out.drop({"3": "all tied"})
    lines = path if path.endswith("jsonl") else path + ".partial.jsonl"
    with open(lines, "ab", buffering=0) as torn:  # what a chunk leaves when it dies inside its write
        torn.write(b'{"id": "4", "prompt": "pro')
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_killed_run_resumed_gives_the_uninterrupted_file(tmp_path, suffix):
    killed, whole = tmp_path / f"killed{suffix}", tmp_path / f"whole{suffix}"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(killed)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert killed.exists() == (suffix == ".jsonl")  # no parquet file before it is complete
    with PreferenceWriter(killed, MANIFEST) as out:
        assert out.done_ids() == {"1", "2", "3"}
        out.write([row("4")])
        assert out.done_ids() == {"1", "2", "3", "4"}
    with PreferenceWriter(whole, MANIFEST) as out:
        out.write([row("1"), row("2"), row("4")])
    assert killed.read_bytes() == whole.read_bytes()
    assert [pair.id for pair in load_pairs(killed).pairs] == ["1", "2", "4"]
    dropped = Path(f"{killed}.dropped.jsonl").read_text()
    assert json.loads(dropped) == {"id": "3", "reason": "all tied"}


def test_pairs_whose_calls_failed_are_not_done_and_their_labels_stand_in_order_at_the_end(tmp_path):
    path, order = tmp_path / "l.jsonl", ["1", "2", "3", "4"]
    dropped = Path(f"{path}.dropped.jsonl")
    with PreferenceWriter(path, MANIFEST, order) as out:
        out.drop({"1": "r1: down", "3": "r1: down", "4": "tie"}, failed={"1": ["r1"], "3": ["r1"], "4": []})
        out.write([row("2")])
    assert json.loads(dropped.read_text().splitlines()[0]) == {
        "id": "1",
        "reason": "r1: down",
        "failed": ["r1"],
    }
    with PreferenceWriter(path, MANIFEST, order) as out:
        assert (out.done_ids(), out.failed_ids()) == ({"2", "4"}, {"1", "3"})
        out.drop({"3": "tie"})
        out.write([row("1")])
        assert (out.done_ids(), out.failed_ids()) == ({"1", "2", "3", "4"}, set())
        assert out.dropped_ids() == {"3", "4"}
        assert len(dropped.read_text().splitlines()) == 3  # set right at the end
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["1", "2"]
    assert [json.loads(line) for line in dropped.read_text().splitlines()] == [
        {"id": "3", "reason": "tie"},
        {"id": "4", "reason": "tie"},
    ]


def test_an_error_inside_the_block_leaves_no_parquet_file_but_the_lines(tmp_path):
    path = tmp_path / "l.parquet"

    def interrupted() -> None:
        with PreferenceWriter(path, MANIFEST) as out:
            out.write([row("1")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not path.exists()
    with PreferenceWriter(path, MANIFEST) as out:
        assert out.done_ids() == {"1"}
    assert len(pd.read_parquet(path)) == 1


def test_a_finished_file_is_resumed_as_finished(tmp_path):
    path = tmp_path / "l.parquet"
    for _ in range(2):
        with PreferenceWriter(path, MANIFEST) as out:
            out.write([row(name) for name in ("1", "2") if name not in out.done_ids()])
    assert len(pd.read_parquet(path)) == 2


# Refusals


def finished(path: Path) -> Path:
    with PreferenceWriter(path, MANIFEST) as out:
        out.write([row("1")])
    return path


def enter(path: Path, manifest: dict = MANIFEST) -> None:
    with PreferenceWriter(path, manifest):
        pass


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_another_way_of_labelling_is_not_mixed_in(tmp_path, suffix):
    path = finished(tmp_path / f"l{suffix}")
    before = path.read_bytes()
    other = {"strategy": "majority", "router": "abc", "pool": ["r1"], "seed": 1}
    expected = (
        r'was begun otherwise: strategy: "routed" there, "majority" now; '
        r'pool: \["r1", "r2"\] there, \["r1"\] now; seed: nothing there, 1 now'
    )
    with pytest.raises(DataError, match=expected):
        enter(path, other)
    assert path.read_bytes() == before
    enter(path)


def test_dropped_pairs_alone_are_a_beginning_too(tmp_path):
    with PreferenceWriter(tmp_path / "l.jsonl", MANIFEST) as out:
        out.drop({"1": "no answer"})
    with pytest.raises(DataError, match="was begun otherwise"):
        enter(tmp_path / "l.jsonl", {})


def test_an_empty_beginning_may_be_begun_anew(tmp_path):
    enter(tmp_path / "l.jsonl")
    enter(tmp_path / "l.jsonl", {"strategy": "majority"})
    assert json.loads((tmp_path / "l.jsonl.manifest.json").read_text()) == {"strategy": "majority"}


def test_a_file_of_someone_else_is_not_touched(tmp_path):
    path = tmp_path / "l.jsonl"
    path.write_bytes(b'{"id": "mine"}\n{"torn')
    with pytest.raises(DataError, match=r"annotate did not begin it \(no l\.jsonl\.manifest\.json\)"):
        enter(path)
    assert path.read_bytes() == b'{"id": "mine"}\n{"torn'


def test_a_parquet_file_without_its_lines_cannot_be_resumed(tmp_path):
    path = finished(tmp_path / "l.parquet")
    (tmp_path / "l.parquet.partial.jsonl").unlink()
    with pytest.raises(DataError, match=r"exists without l\.parquet\.partial\.jsonl"):
        enter(path)


def test_a_broken_manifest_is_an_error(tmp_path):
    path = finished(tmp_path / "l.jsonl")
    (tmp_path / "l.jsonl.manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest\.json: broken JSON"):
        enter(path)


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"labelled pairs go to \.jsonl or \.parquet, not '\.csv'"):
        PreferenceWriter(tmp_path / "l.csv", MANIFEST)


def test_text_and_chat_do_not_share_a_file_not_even_after_resuming(tmp_path):
    path = finished(tmp_path / "l.jsonl")
    with (
        pytest.raises(DataError, match="pair chat is chat, but 1 is text"),
        PreferenceWriter(path, MANIFEST) as out,
    ):
        out.write([row("2"), preference_row(CHAT_PAIR, "A", {})])
    assert [pair.id for pair in load_pairs(path).pairs] == ["1"]


# Real files


def test_pandalm_labelled_and_read_again(shared_data, tmp_path):
    source = load_pairs(shared_data / "verdicts" / "pandalm_4judges.parquet")
    path = tmp_path / "labelled.parquet"
    with PreferenceWriter(path, MANIFEST) as out:
        for pair, label in zip(source.pairs, source.labels, strict=True):
            assert label is not None
            out.write([preference_row(pair, label, {})])
    again = load_pairs(path)

    def contents(loaded):
        return {
            pair.id: digest(pair.prompt, *((a, b) if label == "A" else (b, a)))
            for pair, label in zip(loaded.pairs, loaded.labels, strict=True)
            for a, b in [(pair.response_a, pair.response_b)]
        }

    assert contents(again) == contents(source)


def test_two_writers_of_one_file_and_ids_that_stand_twice_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with PreferenceWriter(out, {"strategy": "s"}) as writer:
        with (
            pytest.raises(DataError, match="is writing to it; wait"),
            PreferenceWriter(out, {"strategy": "s"}),
        ):
            pass
        writer.write([{"id": "a", "prompt": "p", "chosen": "x", "rejected": "y"}])
    out.write_text(out.read_text(encoding="utf-8") * 2, encoding="utf-8")
    with pytest.raises(DataError, match="1 ids stand there twice"), PreferenceWriter(out, {"strategy": "s"}):
        pass
