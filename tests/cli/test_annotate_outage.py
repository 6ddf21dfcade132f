"""``annotate`` and ``collect`` while servers are down: nothing is lost or paid, and the same command asks again."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from commands import Ended, done, refused, run
from server_answers import openrlhf

from rewardrouter.datasets import preferences
from rewardrouter.testing.loopback import Loopback, says, serving, status

RMS = ("calculator", "courtesy", "brevity", "echo")
FILES = ("", ".dropped.jsonl")


@pytest.fixture
def servers() -> Iterator[list[Loopback]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(serving(openrlhf)) for _ in RMS]


@pytest.fixture
def words(quickstart: Path, router: Path, tmp_path: Path, servers: list[Loopback]) -> list[str | Path]:
    """An ``annotate`` that asks servers; only ``--out`` is missing."""
    rms = "".join(
        f"  - {{name: {rm}, kind: openrlhf, url: '{server.url}', cost: 2, tries: 1, open_after: 3,"
        f" concurrency: 1, batch_size: 2, probe_after: 0.01}}\n"
        for rm, server in zip(RMS, servers, strict=True)
    )
    (tmp_path / "pool.yaml").write_text(f"rms:\n{rms}", encoding="utf-8")
    pairs = quickstart / "new_pairs.jsonl"
    return ["annotate", "--router", router, "--pairs", pairs, "--pool", tmp_path / "pool.yaml"]


def fail(servers: list[Loopback], count: int | None = None) -> None:
    """Let the next requests to each fail; all of them without a count."""
    for server in servers:
        if count is None:
            server.always = status(500)
        else:
            server.faults.extend([status(500)] * count)


def unlabelled(*words: str | Path) -> Ended:
    """Run an ``annotate`` that gets no label, since all calls fail."""
    ended = run(*words)
    assert ended.code == 1, ended.err
    assert re.search(
        r"error: no pair has a label: calls failed, most often \(\d+ times\): \w+: (HTTP|the a)", ended.err
    )
    return ended


def heal(servers: list[Loopback]) -> None:
    for server in servers:
        server.always = None
        server.faults.clear()


def contents(out: Path) -> list[bytes]:
    return [Path(f"{out}{suffix}").read_bytes() for suffix in FILES]


def ids(file: Path) -> list[str]:
    return [json.loads(line)["id"] for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("strategy", ["router", "majority", "router+cascade@1.6"])
def test_pairs_whose_calls_failed_are_asked_again_and_end_as_in_an_uninterrupted_run(
    strategy: str, words: list[str | Path], servers: list[Loopback], tmp_path: Path
) -> None:
    words, out = [*words, "--strategy", strategy], tmp_path / "out.jsonl"
    fail(servers)
    ended = unlabelled(*words, "--out", out)
    assert ended.out.startswith("60 pairs: 0 labelled now, 60 without a label\n")
    assert "Cost per pair: 0\n" in ended.out
    assert ended.out.endswith("Without a label since calls failed: 60; the same command asks them again\n")
    assert "calculator: 60 of 60 pairs failed: " in ended.err
    dropped = [json.loads(line) for line in contents(out)[1].splitlines()]
    assert all(row["failed"] and set(row["failed"]) <= set(RMS) for row in dropped)

    heal(servers)
    ended = done(*words, "--out", out)
    assert ended.out.startswith("60 pairs, 60 asked again after failed calls: ")
    done(*words, "--out", tmp_path / "whole.jsonl")
    assert contents(out) == contents(tmp_path / "whole.jsonl")
    asked = sum(len(server.seen) for server in servers)
    assert " 60 of them before (" in done(*words, "--out", out).out
    assert sum(len(server.seen) for server in servers) == asked


def test_only_what_failed_is_asked_again_and_rows_stand_in_the_order_of_the_pairs(
    words: list[str | Path], servers: list[Loopback], tmp_path: Path
) -> None:
    words = [*words, "--strategy", "single/courtesy"]
    out, courtesy = tmp_path / "out.parquet", servers[1]
    courtesy.faults.extend([status(500)] * 2)
    ended = done(*words, "--out", out)
    failed = json.loads(contents(out)[1].splitlines()[0])
    assert failed["failed"] == ["courtesy"]
    left = len(ids(Path(f"{out}.dropped.jsonl")))
    assert 0 < left < 10
    assert f"Without a label since calls failed: {left}; " in ended.out
    before = len(courtesy.seen)
    ended = done(*words, "--out", out)
    assert f"60 pairs, {60 - left} of them before (0 without a label), {left} asked again after" in ended.out
    assert len(courtesy.seen) - before <= left
    done(*words, "--out", tmp_path / "whole.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet(tmp_path / "whole.parquet"))
    assert contents(out)[1] == b""


@pytest.mark.parametrize("moment", ["write", "_settle"])
def test_a_killed_second_run_loses_and_repeats_nothing(
    moment: str,
    words: list[str | Path],
    servers: list[Loopback],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out.jsonl"
    fail(servers, 12)
    unlabelled(*words, "--out", out)
    heal(servers)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(preferences.PreferenceWriter, moment, killed)
        assert run(*words, "--out", out).code == 130
    labelled = ids(out)
    assert len(labelled) == len(set(labelled))
    assert {*labelled, *ids(Path(f"{out}.dropped.jsonl"))} == set(ids(Path(words[4])))
    asked = sum(len(server.seen) for server in servers)
    done(*words, "--out", out)
    assert (sum(len(server.seen) for server in servers) == asked) == (moment == "_settle")
    assert sorted(ids(out) + ids(Path(f"{out}.dropped.jsonl"))) == sorted(ids(Path(words[4])))
    order = {name: n for n, name in enumerate(ids(Path(words[4])))}
    assert ids(out) == sorted(ids(out), key=order.__getitem__)


def test_what_was_dropped_for_a_tie_is_not_asked_again(
    words: list[str | Path], servers: list[Loopback], tmp_path: Path
) -> None:
    for server in servers:
        server.answer = lambda body: {"rewards": [1.0] * len(body["query"])}
    ended = done(*words, "--out", tmp_path / "out.jsonl")
    assert "calls failed" not in ended.out
    asked = sum(len(server.seen) for server in servers)
    ended = done(*words, "--out", tmp_path / "out.jsonl")
    assert "60 of them before (60 without a label): 0 labelled now" in ended.out
    assert sum(len(server.seen) for server in servers) == asked


def test_an_answer_that_cannot_be_read_was_paid(
    words: list[str | Path], servers: list[Loopback], tmp_path: Path
) -> None:
    for server in servers:
        server.always = says(b"sorry")
    ended = unlabelled(*words, "--strategy", "single/echo", "--out", tmp_path / "out.jsonl")
    (line,) = (line for line in ended.out.splitlines() if line.startswith("echo"))
    paid = float(line.split()[-1])
    assert paid == 120  # a server that answers is asked about every pair


def test_measured_seconds_are_told_when_a_file_is_gone_on_with(
    words: list[str | Path], servers: list[Loopback], tmp_path: Path
) -> None:
    words, out = [*words, "--strategy", "router+cascade@9:unit=second"], tmp_path / "out.jsonl"
    assert "planned anew" not in done(*words, "--out", out).out
    out.write_text("".join(out.read_text().splitlines(keepends=True)[:-3]))
    assert "Thresholds were planned anew from measured seconds: " in done(*words, "--out", out).out
    assert "planned anew" not in done(*words, "--out", out).out


def test_a_recording_without_the_pairs_is_told(
    quickstart: Path, words: list[str | Path], tmp_path: Path
) -> None:
    verdicts = pd.read_parquet(quickstart / "new_verdicts.parquet")
    verdicts.assign(prompt="another").to_parquet(tmp_path / "other.parquet")
    verdicts.to_parquet(tmp_path / "known.parquet")
    sources = dict.fromkeys(RMS, "known") | {"echo": "other"}
    rms = "".join(f"- {{name: {rm}, kind: recorded, source: {s}.parquet}}\n" for rm, s in sources.items())
    (tmp_path / "pool.yaml").write_text(f"rms:\n{rms}", encoding="utf-8")
    ended = done(*words, "--strategy", "majority", "--out", tmp_path / "out.jsonl")
    reason = "no verdict recorded for this prompt and these responses (60)"
    assert f"echo: 60 of 60 pairs failed: {reason}\n" in ended.err
    head, *lines = ended.out.splitlines()[2:7]
    assert head.endswith("failed")
    assert {line.split()[0]: int(line.split()[-1]) for line in lines} == dict.fromkeys(RMS, 0) | {"echo": 60}
    line = refused(*words, "--strategy", "router+cascade@1:unit=second", "--out", tmp_path / "second.jsonl")
    assert "are recorded, which take no time" in line
    assert not (tmp_path / "second.jsonl").exists()


def test_collect_pays_and_fits_nothing_of_a_server_that_is_down(
    words: list[str | Path], quickstart: Path, servers: list[Loopback], tmp_path: Path
) -> None:
    labelled = pd.read_parquet(quickstart / "verdicts.parquet")[
        ["id", "prompt", "response_a", "response_b", "label"]
    ]
    labelled.head(12).to_parquet(tmp_path / "pairs.parquet")
    words = ["collect", "--pairs", tmp_path / "pairs.parquet", *words[5:7], "--out", tmp_path / "col"]
    fail(servers[:1])
    ended = done(*words)
    costs = {line.split()[0]: line.split()[-1] for line in ended.out.splitlines()[3:7]}
    assert costs == dict.fromkeys(RMS, "24.00") | {"calculator": "0.00"}
    assert ended.out.endswith("No verdict at all of calculator: the same command asks again what failed\n")
    heal(servers)
    assert "Next: rewardrouter fit" in done(*words).out
