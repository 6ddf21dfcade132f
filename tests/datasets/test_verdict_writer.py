"""Folders of calls: whole chunks or nothing, the same pairs and reward models or a refusal."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewardrouter.datasets.pairs import LoadedPairs, load_pairs
from rewardrouter.datasets.recordings import load_recordings
from rewardrouter.datasets.verdict_folder import part_files, read_calls
from rewardrouter.datasets.verdict_writer import VerdictWriter
from rewardrouter.errors import DataError
from rewardrouter.pairs import as_messages
from rewardrouter.verdicts import Verdict

RMS = {"one": {"kind": "hf", "source": "a", "dtype": "fp32"}, "two": {"kind": "hf", "source": "b"}}


def loaded_from(folder: Path, rows: Sequence[dict[str, object]]) -> LoadedPairs:
    file = folder / "source.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_pairs(file)


def rows(n: int) -> list[dict[str, object]]:
    return [
        {
            "id": f"p{i}",
            "prompt": f"q{i}",
            "response_a": "x",
            "response_b": "y",
            "label": "AB"[i % 2],
            "group": i // 2,
        }
        for i in range(n)
    ]


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedPairs:
    return loaded_from(tmp_path, rows(4))


def answers(loaded: LoadedPairs, rm: str, winner: str = "A") -> list[Verdict]:
    return [Verdict(rm, winner, 2.0, 1.0, None, 0.5) for _ in loaded.pairs]


def calls_in(folder: Path) -> list[tuple[str, str]]:
    return [call.key for call in read_calls(part_files(folder))]


def refusal(folder: Path, loaded: LoadedPairs, rms: dict[str, dict[str, object]]) -> str:
    with pytest.raises(DataError) as error, VerdictWriter(folder, loaded, rms):
        pytest.fail("went on")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(folder))
    return str(error.value)


def test_what_is_written_is_what_recordings_read(tmp_path: Path, loaded: LoadedPairs) -> None:
    failed = Verdict.failed("two", "timed out", 9.0)
    with VerdictWriter(tmp_path / "out", loaded, RMS) as writer:
        writer.append(loaded.pairs[:3], answers(loaded, "one")[:3])
        writer.append(loaded.pairs[3:], [Verdict("one", "tie", 1.0, 1.0)])
        writer.append(loaded.pairs, [*answers(loaded, "two", "B")[:3], failed])
    read = load_recordings(tmp_path / "out")
    assert (read.pairs, read.labels, read.rms) == (loaded.pairs, loaded.labels, ("one", "two"))
    assert read.verdicts[0][0] == Verdict("one", "A", 2.0, 1.0, None, 0.5)
    assert read.verdicts[3] == (Verdict("one", "tie", 1.0, 1.0), failed)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["rms"] == ["one", "two"]
    assert manifest["models"] == RMS
    assert manifest["n_pairs"] == 4


def test_it_goes_on_knowing_what_is_there(tmp_path: Path, loaded: LoadedPairs) -> None:
    verdicts = answers(loaded, "one")
    with VerdictWriter(tmp_path / "out", loaded, RMS) as writer:
        assert writer.verdicts("one") == {}
        writer.append(loaded.pairs[:2], [verdicts[0], Verdict.failed("one", "down")])
    with VerdictWriter(tmp_path / "out", loaded, RMS) as writer:
        assert writer.verdicts("one") == {"p0": verdicts[0], "p1": Verdict.failed("one", "down")}
        writer.append(loaded.pairs[1:], verdicts[1:])
        assert set(writer.verdicts("one").values()) == set(verdicts)
    assert [part.name for part in part_files(tmp_path / "out")] == [
        "part-000001.parquet",
        "part-000002.parquet",
    ]
    assert len(calls_in(tmp_path / "out")) == 5


names = st.sampled_from(["p0", "p1", "p2", "p3"])
outcomes = st.sampled_from(["A", "B", "tie", None])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), names, outcomes), max_size=12), st.integers(0, 12))
def test_writer_and_reader_agree_on_what_counts(tmp_path, loaded, calls, stop) -> None:
    """The writer's own memory, what a second writer reads, and what ``load_recordings`` makes of the folder."""
    folder = tmp_path / "law"
    shutil.rmtree(folder, ignore_errors=True)
    by_id = {pair.id: pair for pair in loaded.pairs}
    kept: dict[tuple[str, str], str | None] = {}
    for part in (calls[:stop], calls[stop:]):
        with VerdictWriter(folder, loaded, RMS) as writer:
            for rm, name, winner in part:
                verdict = Verdict(rm, winner) if winner else Verdict.failed(rm, "down")
                writer.append([by_id[name]], [verdict])
                if kept.get((rm, name)) is None:
                    kept[rm, name] = winner
            found = {(rm, name): v.winner for rm in RMS for name, v in writer.verdicts(rm).items()}
            assert found == kept
    for rm in RMS:
        if any(kept.get((rm, name)) for name in by_id):
            read = load_recordings(folder, [rm])
            assert [row[0].winner for row in read.verdicts] == [kept.get((rm, name)) for name in by_id]


def test_what_a_killed_write_left_is_removed(tmp_path: Path, loaded: LoadedPairs) -> None:
    out = tmp_path / "out"
    with VerdictWriter(out, loaded, RMS) as writer:
        writer.append(loaded.pairs, answers(loaded, "one"))
    (out / "verdicts" / ".part-000002.parquet.tmp").write_bytes(b"PAR1 torn")
    (out / ".manifest.json.tmp").write_text('{"rms": [')
    with VerdictWriter(out, loaded, RMS) as writer:
        writer.append(loaded.pairs, answers(loaded, "two"))
    assert not list(out.rglob("*.tmp"))
    assert len(calls_in(out)) == 8


@pytest.mark.parametrize(
    "there", [(), ("verdicts",), ("verdicts", ".lock"), ("verdicts", ".lock", "manifest.json")]
)
def test_a_folder_killed_while_it_was_begun_is_begun_again(
    there: tuple[str, ...], tmp_path: Path, loaded: LoadedPairs
) -> None:
    with VerdictWriter(tmp_path / "whole", loaded, RMS):
        pass
    out = tmp_path / "out"
    out.mkdir()
    for name in there:
        source = tmp_path / "whole" / name
        (out / name).mkdir() if source.is_dir() else shutil.copy(source, out / name)
    with VerdictWriter(out, loaded, RMS) as writer:
        writer.append(loaded.pairs, answers(loaded, "one"))
    assert load_recordings(out).pairs == loaded.pairs


def test_a_torn_part_is_named_and_can_be_removed(tmp_path: Path, loaded: LoadedPairs) -> None:
    out = tmp_path / "out"
    with VerdictWriter(out, loaded, RMS) as writer:
        writer.append(loaded.pairs[:2], answers(loaded, "one")[:2])
        writer.append(loaded.pairs[2:], answers(loaded, "one")[2:])
    part = part_files(out)[0]
    part.write_bytes(part.read_bytes()[:-30])
    line = refusal(out, loaded, RMS)
    assert "part-000001.parquet: not a readable parquet file" in line
    assert line.endswith("or remove part-000001.parquet, and its calls are made again")
    part.unlink()
    with VerdictWriter(out, loaded, RMS) as writer:
        assert set(writer.verdicts("one")) == {"p2", "p3"}
        writer.append(loaded.pairs[:2], answers(loaded, "one")[:2])
    assert part_files(out)[-1].name == "part-000003.parquet"


class TestRefusals:
    """A folder is of some pairs, and a name of one reward model."""

    @pytest.fixture
    def out(self, tmp_path: Path, loaded: LoadedPairs) -> Path:
        with VerdictWriter(tmp_path / "out", loaded, RMS) as writer:
            writer.append(loaded.pairs, answers(loaded, "one"))
        return tmp_path / "out"

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"prompt": "another"}, "holds verdicts on other pairs: pairs: "),
            ({"id": "another"}, "holds verdicts on other pairs: pairs: "),
            ({"label": "B"}, "holds verdicts on other pairs: labels_and_groups: "),
            ({"group": 9}, "holds verdicts on other pairs: labels_and_groups: "),
        ],
    )
    def test_other_pairs(self, change: dict[str, object], expected: str, out: Path, tmp_path: Path) -> None:
        first, *others = rows(4)
        line = refusal(out, loaded_from(tmp_path, [{**first, **change}, *others]), RMS)
        assert expected in line
        assert line.endswith("give another folder")

    def test_more_pairs(self, out: Path, tmp_path: Path) -> None:
        assert "n_pairs: 4 there, 5 now; pairs: " in refusal(out, loaded_from(tmp_path, rows(5)), RMS)

    def test_another_reward_model_of_the_same_name(self, out: Path, loaded: LoadedPairs) -> None:
        line = refusal(out, loaded, {**RMS, "one": {**RMS["one"], "dtype": "bf16"}})
        assert line == (
            f'{out}: one was another reward model: dtype: "fp32" there, "bf16" now;'
            " give it another name in the pool, or another folder"
        )
        assert 'revision: nothing there, "v1" now' in refusal(
            out, loaded, {"two": {**RMS["two"], "revision": "v1"}}
        )

    def test_another_place_is_no_other_reward_model(self, out: Path, loaded: LoadedPairs) -> None:
        with VerdictWriter(out, loaded, {"one": {**RMS["one"], "source": "moved"}}) as writer:
            assert len(writer.verdicts("one")) == 4

    def test_a_reward_model_may_join_and_one_may_be_left_out(self, out: Path, loaded: LoadedPairs) -> None:
        with VerdictWriter(out, loaded, {"three": {"kind": "x"}, "one": RMS["one"]}):
            pass
        assert json.loads((out / "manifest.json").read_text())["rms"] == ["three", "one", "two"]
        assert "two was another" in refusal(out, loaded, {"two": {"kind": "y"}})

    def test_two_writers_at_once(self, out: Path, loaded: LoadedPairs) -> None:
        with VerdictWriter(out, loaded, RMS):
            assert "another process is writing to it" in refusal(out, loaded, RMS)

    def test_a_folder_of_something_else(self, tmp_path: Path, loaded: LoadedPairs) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.tex").write_text("x")
        assert "holds files but no manifest.json: not a folder of collect" in refusal(
            tmp_path / "mine", loaded, RMS
        )
        (tmp_path / "mine" / "thesis.tex").unlink()

    def test_calls_without_a_manifest(self, out: Path, loaded: LoadedPairs) -> None:
        (out / "manifest.json").unlink()
        assert "holds files but no manifest.json" in refusal(out, loaded, RMS)

    def test_a_broken_manifest(self, out: Path, loaded: LoadedPairs) -> None:
        (out / "manifest.json").write_text("{")
        assert "manifest.json: broken JSON" in refusal(out, loaded, RMS)

    def test_a_place_that_cannot_be_written(self, tmp_path: Path, loaded: LoadedPairs) -> None:
        (tmp_path / "file").touch()
        assert "cannot be written: Not a directory" in refusal(tmp_path / "file" / "out", loaded, RMS)
        assert "cannot be written: " in refusal(tmp_path / "file", loaded, RMS)

    def test_a_full_disk_loses_the_chunk_alone(
        self, out: Path, loaded: LoadedPairs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(table: object, file: Path) -> None:
            file.write_bytes(b"PAR1")
            raise OSError(errno.ENOSPC, "No space left on device")

        with VerdictWriter(out, loaded, RMS) as writer:
            monkeypatch.setattr(pq, "write_table", full)
            with pytest.raises(DataError) as error:
                writer.append(loaded.pairs, answers(loaded, "two"))
            assert writer.verdicts("two") == {}
        assert str(error.value) == (
            f"{out}: cannot be written: No space left on device; what is in it stays,"
            " and the same command goes on from there"
        )
        assert len(calls_in(out)) == 4
        assert not list(out.rglob("*.tmp"))


class TestPairs:
    """``pairs.parquet``: the pairs as they were, in our form."""

    def read_back(self, folder: Path, given: Sequence[dict[str, object]]) -> tuple[LoadedPairs, LoadedPairs]:
        loaded = loaded_from(folder, given)
        with VerdictWriter(folder / "out", loaded, RMS):
            pass
        return loaded, load_pairs(folder / "out" / "pairs.parquet")

    def test_labels_and_columns_are_kept(self, tmp_path: Path) -> None:
        given_rows = [{**row, "domain": "d", "gold": 7} for row in rows(4)]
        loaded, read = self.read_back(
            tmp_path, [*given_rows[:3], {**given_rows[3], "label": None, "gold": None}]
        )
        assert (read.pairs, read.labels) == (loaded.pairs, loaded.labels)

    def test_chosen_and_rejected_become_a_and_b(self, tmp_path: Path) -> None:
        trl = [{"prompt": f"q{n}", "chosen": "good", "rejected": "bad"} for n in range(5)]
        loaded, read = self.read_back(tmp_path, trl)
        assert (read.form, read.pairs, read.labels) == ("ours", loaded.pairs, loaded.labels)

    def test_without_any_label_there_is_no_column(self, tmp_path: Path) -> None:
        _, read = self.read_back(
            tmp_path, [{k: v for k, v in row.items() if k != "label"} for row in rows(3)]
        )
        assert read.labels == (None, None, None)

    def test_text_beside_chat_becomes_chat(self, tmp_path: Path) -> None:
        prompt = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
        chat = {**rows(1)[0], "id": "c", "prompt": prompt}
        loaded, read = self.read_back(tmp_path, [*rows(2), chat])
        for before, after in zip(loaded.pairs, read.pairs, strict=True):
            assert as_messages(before.prompt, "user") == after.prompt
            assert (before.response_a, before.response_b) == (after.response_a, after.response_b)

    def test_a_column_of_several_types_is_kept_as_text(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, *others = rows(3)
        _, read = self.read_back(
            tmp_path, [{**first, "note": {"a": 1}}, *({**row, "note": "b"} for row in others)]
        )
        assert [pair.metadata["note"] for pair in read.pairs] == ['{"a": 1}', "b", "b"]
        assert "column note: holds what a table cannot; kept as text" in capsys.readouterr().err
