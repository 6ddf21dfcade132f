"""The key of a server, which it repeats in all that it says: what commands print and write is free of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run
from server_answers import sglang

from rewardrouter.testing.loopback import serving

KEY = "swordfish-1234"


@pytest.mark.parametrize("status", [401, 429, 500, 200])
def test_no_output_or_file_holds_it(
    status: int, quickstart: Path, router: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RM_KEY", KEY)
    monkeypatch.setenv("REWARDROUTER_CACHE", str(tmp_path / "cache"))

    def repeats(handler, due):
        handler.reply(f"The key {KEY} of {handler.headers['Authorization']} is wrong.".encode(), status)

    with serving(sglang) as server:
        server.always = repeats
        live = (
            f"{{name: brevity, kind: sglang, url: '{server.url}', template: none, key_env: RM_KEY,"
            " tries: 2, first_wait: 0, open_after: 2}"
        )
        recorded = ", ".join(
            f"{{name: {rm}, kind: recorded, source: {quickstart / 'new_verdicts.parquet'}}}"
            for rm in ("calculator", "courtesy", "echo")
        )
        pool = tmp_path / "pool.yaml"
        pool.write_text(f"rms: [{live}, {recorded}]\ncache: true\n", encoding="utf-8")
        given = ["--pairs", quickstart / "new_pairs.jsonl", "--pool", pool]
        out = [tmp_path / "verdicts", tmp_path / "labelled.jsonl"]
        told = [
            run("collect", *given, "--rms", "brevity", "--out", out[0]),
            run("annotate", *given, "--router", router, "--strategy", "single/brevity", "--out", out[1]),
        ]
        assert {request.headers["Authorization"] for request in server.seen} == {f"Bearer {KEY}"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"manifest.json", "labelled.jsonl.manifest.json", "labelled.jsonl.dropped.jsonl"} <= {
        path.name for path in files
    }
    assert "brevity: 60 calls failed, most often: " in told[0].err
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert not any(KEY in ended.out + ended.err for ended in told)
    dropped = (tmp_path / "labelled.jsonl.dropped.jsonl").read_text()
    assert "The key *** of Bearer *** is wrong." in dropped
