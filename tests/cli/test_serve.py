"""``serve`` as a command: a real router, reward models that run here, and what it refuses."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from commands import refused, start

Words = list[str | Path]

CASCADE = "router+cascade@1.35:order=accuracy,keep_budget=True"


@pytest.fixture
def words(train_settings: dict[str, Any], tmp_path: Path) -> Words:
    given = train_settings["annotator"]
    return [
        *("serve", "--router", given["router"], "--pool", given["pool"]),
        *("--state", tmp_path / "state", "--port", "0"),
    ]


def ask(port: int, path: str, body: Any, token: str = "") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


@pytest.mark.slow
def test_it_labels_scores_learns_and_goes_on_after_a_restart(
    words: Words, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDROUTER_TOKEN", "let me in")
    given = [*words, "--strategy", CASCADE, f"--completions.tokenizer={tiny_llama}"]
    given.append("--completions.hold_seconds=0")
    pairs = [
        {
            "id": f"p{n}",
            "prompt": f"What is {n} + 1?",
            "response_a": f"{n + 1}.",
            "response_b": "I do not know.",
        }
        for n in range(6)
    ]
    process, port = _started(given)
    assert ask(port, "/v1/router", None)[0] == 401
    status, reply = ask(port, "/v1/annotate", {"pairs": pairs, "batch_id": "b0"}, "let me in")
    assert status == 200
    labelled = [one for one in reply["annotations"] if one["label"]]
    assert len(labelled) == 6
    asked = [one["rms"] for one in labelled]
    assert asked == [[verdict["rm"] for verdict in one["verdicts"]] for one in labelled]
    calls = calls_by_arm(ask(port, "/v1/router", None, "let me in")[1])
    assert calls == {arm: sum(arm in rms for rms in asked) for arm in calls}
    told = {one["decision_id"]: {"loss": 0.5, "swapped_loss": 0.9, "margin": 0.4} for one in labelled}
    assert ask(port, "/v1/feedback", {"outcomes": told}, "let me in") == (200, {"accepted": list(told)})
    text = "<s>[INST] What is 2 + 1? [/INST] 3.</s>"
    body = {"model": "x", "input": text, "use_activation": False}
    status, scored = ask(port, "/classify", body, "let me in")
    assert status == 200, scored
    process.kill()
    process.wait()
    process, port = _started(given)
    view = ask(port, "/v1/router", None, "let me in")[1]
    assert view["counts"]["pairs"] == view["counts"]["outcomes"] == 6
    assert view["strategy"] == CASCADE
    assert ask(port, "/v1/annotate", {"pairs": pairs, "batch_id": "b0"}, "let me in") == (200, reply)
    again = ask(port, "/classify", body, "let me in")[1]
    assert again["data"] == scored["data"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def calls_by_arm(view: dict[str, Any]) -> dict[str, int]:
    return {arm["name"]: arm["calls"]["asked"] for arm in view["arms"]}


def _started(words: Words) -> tuple[Any, int]:
    process = start(*words)
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"serving \S+ over 4 reward models on http://127\.0\.0\.1:(\d+) ", line)
    assert found, line + process.stderr.read()
    return process, int(found[1])


def test_others_are_let_in_with_a_token_alone(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REWARDROUTER_TOKEN", raising=False)
    said = refused(*words, "--host", "0.0.0.0")  # noqa: S104 (it is refused)
    assert "others could reach it, which needs a token" in said
    assert "REWARDROUTER_TOKEN" in said
    monkeypatch.setenv("REWARDROUTER_TOKEN", "  ")
    assert "needs a token" in refused(*words, "--host", "::")
    assert "OTHER_NAME" in refused(*words, "--host", "example.org", "--token_env=OTHER_NAME")


def test_a_port_in_use_is_told_in_a_line_and_nothing_is_left(words: Words, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(*words, "--port", port)
    assert said == (
        f"cannot listen on 127.0.0.1, port {port}: Address already in use; give another --host or --port"
    )
    assert not (tmp_path / "state").exists()


def test_mistakes_are_told_in_a_line(words: Words, tmp_path: Path) -> None:
    assert "router: missing" in refused("serve", "--pool", "p.yaml")
    assert "Did you mean strategy" in refused(*words, "--stratgy=x")
    assert "Did you mean router" in refused(*words, "--strategy", "routr")
    assert "less than one call to the cheapest" in refused(*words, "--strategy", "router+cascade@0.5")
    (tmp_path / "file").touch()
    told = refused(*words, "--state", tmp_path / "file" / "state")
    assert told == f"state {tmp_path / 'file' / 'state'}: cannot be used: Not a directory"
    assert "belongs to the gateway itself" in refused(*words, "--completions.openrlhf_path=/v1/router")
    assert "are both /score" in refused(
        *words, "--completions.openrlhf_path=/score", "--completions.classify_path=/score"
    )
    assert "fewer than the 1024 pairs" in refused(*words, "--saving.decisions=10")
    assert "tokenizer ./no/such/folder: cannot be loaded" in refused(
        *words, "--completions.tokenizer=./no/such/folder"
    )
    assert not (tmp_path / "state").exists()
