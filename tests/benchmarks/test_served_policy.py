"""A policy behind a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark_judges import completion

from rewardrouter.benchmarks.answers import Answer
from rewardrouter.benchmarks.asking import Asked
from rewardrouter.benchmarks.served_policy import ServedPolicy
from rewardrouter.config.benchmark import PolicyServer
from rewardrouter.testing.loopback import Loopback, serving, status


def policy(server: Loopback, folder: Path, seed: int = 0) -> ServedPolicy:
    settings = PolicyServer(url=f"{server.url}/v1", model="sft", first_wait=0.01)
    return ServedPolicy(settings, folder / "policy.jsonl", seed=seed)


def echo(body: Any) -> Any:
    return completion(" | ".join(message["content"] for message in body["messages"]), finish="length")


def all_of(found: ServedPolicy, *asked: Asked) -> dict[str, Answer]:
    return {key: answer for some in found.answer(asked) for key, answer in some.items()}


def test_turns_are_asked_one_after_the_other(tmp_path: Path) -> None:
    with serving(echo) as server:
        found = all_of(
            policy(server, tmp_path), Asked("t/1", ("a", "b"), 0.7, 9), Asked("t/2", ("c",), 0.0, 9)
        )
        assert found == {
            "t/1": Answer(("a", "a | a | b"), (True, True)),
            "t/2": Answer(("c",), (True,)),
        }
        bodies = [request.body for request in server.seen]
        last = bodies[-1]
        assert [message["role"] for message in last["messages"]] == ["user", "assistant", "user"]
        assert (last["model"], last["temperature"], last["max_tokens"]) == ("sft", 0.7, 9)
        greedy = next(body for body in bodies if body["messages"][0]["content"] == "c")
        assert "seed" not in greedy
        assert {request.path for request in server.seen} == {"/v1/chat/completions"}
        assert all_of(policy(server, tmp_path), Asked("t/1", ("a", "b"), 0.7, 9))["t/1"] == found["t/1"]
        assert len(server.seen) == 3, "nothing is asked twice"


def test_seeds_follow_from_the_question(tmp_path: Path) -> None:
    with serving(echo) as server:
        for seed in (0, 1):
            all_of(policy(server, tmp_path, seed), *(Asked(f"t/{n}", ("same?",), 1.0, 9) for n in range(4)))
        seeds = [request.body["seed"] for request in server.seen]
    assert len(set(seeds)) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_what_the_server_rejects_is_an_answer_that_says_so(tmp_path: Path) -> None:
    with serving(lambda body: completion(None, refusal="no")) as server:
        server.faults.append(status(400, "too long"))
        asked = [Asked("t/1", ("a",), 0.0, 9)]
        assert all_of(policy(server, tmp_path), *asked)["t/1"] == Answer(
            ("",), (False,), "rejected by the server"
        )
        assert all_of(policy(server, tmp_path), *asked)["t/1"] == Answer(
            ("",), (False,), "refused by the model"
        )
