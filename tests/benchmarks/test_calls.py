"""Requests that are made once, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmark_judges import completion, last_text, preferring

from rewardrouter.benchmarks.calls import (
    REFUSED,
    REJECTED,
    UNREADABLE,
    CachedCalls,
    Call,
    Reply,
    chat_service,
    read_chat,
    read_text,
)
from rewardrouter.config.benchmark import JudgeServer
from rewardrouter.errors import ConfigError, UserError
from rewardrouter.http.endpoint import BadAnswerError
from rewardrouter.testing.loopback import Loopback, changed, hangs, says, serving, status


def echo(body: Any) -> Any:
    return completion(f"said {last_text(body)}")


def call(name: object, text: str | None = None) -> Call:
    return Call(
        str(name), {"messages": [{"role": "user", "content": text or f"text {name}"}], "max_tokens": 5}
    )


def judge(server: Loopback, **settings: Any) -> JudgeServer:
    given = {"url": server.url, "model": "m", "first_wait": 0.01, "timeout": 5, "concurrency": 4, **settings}
    return JudgeServer.model_validate(given)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "calls" / "judge.jsonl"


@pytest.fixture
def opened(file: Path) -> Callable[..., CachedCalls]:
    return lambda server, **settings: CachedCalls(chat_service(judge(server, **settings)), file)


def test_each_request_is_made_once(opened: Callable[..., CachedCalls]) -> None:
    with serving(echo) as server:
        calls = opened(server)
        asked = [call(1), call(2), call("like 1", "text 1")]
        assert [one.id for one in calls.missing(asked)] == ["1", "2"]
        found = calls.ask(asked, "task")
        assert {name: reply.text for name, reply in found.items()} == {
            "1": "said text 1",
            "2": "said text 2",
            "like 1": "said text 1",
        }
        assert calls.ask(asked, "task") == found
        again = opened(server, concurrency=2, timeout=9)
        assert again.ask([*asked, call(3)], "task")["2"] == found["2"]
        assert [request.path for request in server.seen] == ["/v1/chat/completions"] * 3
    assert (calls.tally.made, calls.tally.kept, calls.tally.input_tokens) == (2, 0, 200)
    assert (again.tally.made, again.tally.kept, again.tally.output_tokens) == (1, 2, 30)


def test_what_changes_the_request_asks_anew(opened: Callable[..., CachedCalls]) -> None:
    with serving(echo) as server:
        opened(server).ask([call(1)], "task")
        assert opened(server, model="other").missing([call(1)])
        assert opened(server, extra={"top_p": 0.5}).missing([call(1)])
        assert not opened(server, extra={"seed": None}).missing([call(1)])
        body = server.seen[0].body
    assert body == {"model": "m", "messages": [{"role": "user", "content": "text 1"}], "max_tokens": 5}


def test_settings_take_fields_out_and_put_others_in(opened: Callable[..., CachedCalls]) -> None:
    with serving(echo) as server:
        opened(server, extra={"max_tokens": None, "max_completion_tokens": 9}).ask([call(1)], "task")
        assert server.seen[0].body.keys() == {"model", "messages", "max_completion_tokens"}


def test_a_torn_last_line_is_asked_again(opened: Callable[..., CachedCalls], file: Path) -> None:
    with serving(echo) as server:
        opened(server).ask([call(n) for n in range(3)], "task")
        whole = file.read_bytes()
        file.write_bytes(whole[:-20])
        assert (
            len(
                CachedCalls(chat_service(judge(server)), file, asks=False).missing(
                    [call(n) for n in range(3)]
                )
            )
            == 1
        )
        assert file.read_bytes() == whole[:-20], "a plan changes nothing"
        opened(server).ask([call(n) for n in range(3)], "task")
        assert len(server.seen) == 4
    assert [json.loads(line)["call"] for line in file.read_text().splitlines()].count("task/0") == 1


def test_refusals_are_replies(opened: Callable[..., CachedCalls]) -> None:
    with serving(lambda body: completion(None, refusal="I would rather not")) as server:
        assert opened(server).ask([call(1)], "task")["1"].failure == REFUSED
        assert opened(server).ask([call(1)], "task")["1"].failure == REFUSED
        assert len(server.seen) == 1, "that is what it said"


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (status(400, '{"error": {"message": "content_filter"}}'), REJECTED),
        (status(422), REJECTED),
        (says(b'{"choices": []}'), UNREADABLE),
        (changed(lambda answer: {"choices": [{"message": {"content": 3}}]}), UNREADABLE),
    ],
)
def test_what_concerns_one_request_is_its_reply_and_is_not_kept(
    opened: Callable[..., CachedCalls], fault: Any, failure: str
) -> None:
    with serving(echo) as server:
        server.faults.append(fault)
        calls = opened(server, concurrency=1)
        found = calls.ask([call(1), call(2)], "task")
        assert (found["1"].failure, found["2"].failure) == (failure, None)
        assert [one.id for one in calls.missing([call(1), call(2)])] == ["1"]
        assert calls.ask([call(1)], "task")["1"].text == "said text 1"


@pytest.mark.parametrize(
    "fault", [status(404, "no such model"), status(401), says(b"<html>"), status(503), hangs(0)]
)
def test_a_server_that_does_not_work_stops_the_run_and_the_next_goes_on(
    opened: Callable[..., CachedCalls], fault: Any
) -> None:
    asked = [call(n) for n in range(12)]
    with serving(echo) as server:
        calls = opened(server, tries=2, concurrency=2)
        calls.ask(asked[:5], "task")
        server.always = fault
        with pytest.raises(
            UserError, match=r"judge: .* of 7 requests have no reply. Those that have one are kept"
        ):
            calls.ask(asked, "task")
        assert len(server.seen) < 12, "no new ones are begun"
        server.always = None
        before = len(server.seen)
        assert len(opened(server).ask(asked, "task")) == 12
        assert len(server.seen) == before + 7


def test_overload_passes(opened: Callable[..., CachedCalls]) -> None:
    with serving(echo) as server:
        server.faults.extend([status(429, retry_after="0"), status(503), hangs(0)])
        assert len(opened(server, concurrency=1).ask([call(n) for n in range(4)], "task")) == 4


def test_the_key_is_sent_and_never_kept(
    opened: Callable[..., CachedCalls], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(echo) as server:
        with pytest.raises(
            ConfigError, match=r"^judge: the environment variable JUDGE_KEY .key_env. is not set"
        ):
            opened(server, key_env="JUDGE_KEY")
        CachedCalls(chat_service(judge(server, key_env="JUDGE_KEY")), file, asks=False)  # a plan needs none
        monkeypatch.setenv("JUDGE_KEY", "sk-secret")
        opened(server, key_env="JUDGE_KEY").ask([call(1)], "task")
        assert server.seen[0].headers["Authorization"] == "Bearer sk-secret"
    assert "secret" not in file.read_text()


def test_replies_are_read() -> None:
    assert read_chat(completion("x", finish="length", usage=(3, 4))) == Reply("x", True, (), 3, 4)
    assert read_chat({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": -1}}) == Reply(
        "x"
    )
    odd = preferring(0.5)
    odd["choices"][0]["logprobs"]["content"][0]["top_logprobs"] += [
        {"token": "x", "logprob": None},
        "y",
        {"token": 3},
    ]
    assert [token for token, _ in read_chat(odd).top] == ["m", "M", "The"]
    assert read_text({"text": ["x"]}) == Reply("x")
    with pytest.raises(BadAnswerError):
        read_text({"text": "x"})
