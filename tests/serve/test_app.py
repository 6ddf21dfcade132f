"""Every endpoint, asked over a real connection."""

from __future__ import annotations

import errno
import http.client
import json
import os
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from chat_templates import TEMPLATES, tokenizer_with
from gateways import (
    Router,
    Switched,
    engine,
    outcomes,
    pairs,
    reward_models,
    running,
    settings,
    wait_until,
)

from rewardrouter.online.shift import ContextReference
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.serve.labelled import Labelled


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    found = tokenizer_with(TEMPLATES["chatml"])
    found.save_pretrained(folder)
    return found, folder


def test_labels_are_the_engine_s(tmp_path):
    with running(tmp_path / "http") as at:
        reply = at.client.done("/v1/annotate", {"pairs": pairs(5), "batch_id": "b", "step": 2})
    given = [PreferencePair(p["id"], p["prompt"], p["response_a"], p["response_b"]) for p in pairs(5)]
    expected, _ = engine(settings(tmp_path)).annotate(Labelled(given, "b", 2), 0.0)
    assert reply == expected


def test_messages_go_to_rms_as_messages(tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi!"}]
    answer = [{"role": "assistant", "content": "Hello."}]
    seen = []
    with running(tmp_path) as at:
        for model in at.models.values():
            judge = model.judge
            model.judge = lambda given, judge=judge: (seen.extend(given), judge(given))[1]
        at.client.done(
            "/v1/annotate", {"pairs": pairs(1, prompt=chat, response_a=answer, metadata={"answer": "4"})}
        )
    assert seen[0].prompt == (Message("system", "Be brief."), Message("user", "Hi!"))
    assert seen[0].response_a == (Message("assistant", "Hello."),)
    assert seen[0].metadata == {"answer": "4"}


RICH = [
    {"role": "developer", "content": "Be brief.", "tool_calls": None, "name": "d"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "2 + "}, {"type": "text", "text": "2?", "image_url": None}],
    },
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}], "reasoning_content": None},
    {"role": "tool", "content": "4", "tool_call_id": "1", "tool_calls": None},
]
BARE = [
    Message("developer", "Be brief."), Message("user", "2 + 2?"), Message("assistant", ""), Message("tool", "4")
]  # fmt: skip


def test_messages_are_read_by_the_rule_of_files(tmp_path):
    seen = []
    with running(tmp_path, "completions.hold_seconds=0") as at:
        for model in at.models.values():
            judge = model.judge
            model.judge = lambda given, judge=judge: (seen.extend(given), judge(given))[1]
        answer = [
            {"role": "assistant", "content": [{"type": "text", "text": "It is 4."}], "tool_calls": None}
        ]
        body = {"messages": [*RICH, *answer], "metadata": None, "use_activation": False, "input": None}
        at.client.done("/classify", body)
        assert (seen[-1].prompt, seen[-1].response_a) == (tuple(BARE), "It is 4.")
        given = pairs(1, prompt=RICH, response_a=answer, metadata=None, label=None)
        at.client.done("/v1/annotate", {"pairs": given, "step": None, "batch_id": None})
        assert (seen[-1].prompt, seen[-1].response_a) == (tuple(BARE), (Message("assistant", "It is 4."),))
        picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
        for path, wrong in (
            ("/classify", {"messages": [picture, *answer]}),
            ("/v1/annotate", {"pairs": pairs(1, prompt=[picture])}),
        ):
            reply = at.client.post(path, wrong)
            assert reply.status == 422
            assert "a user message holds image_url: " in reply.json["error"]
            assert reply.json["error"].count("; ") == 1


def test_outcomes_come_late_in_part_twice_and_unknown(tmp_path):
    with running(tmp_path) as at:
        first = at.client.done("/v1/annotate", {"pairs": pairs(4), "batch_id": "b0"})
        second = at.client.done("/v1/annotate", {"pairs": pairs(4, 1), "batch_id": "b1"})
        late, early = outcomes(first["annotations"]), outcomes(second["annotations"])
        part = dict(list(early.items())[:2])
        assert at.client.done("/v1/feedback", {"outcomes": part}) == {"accepted": list(part)}
        reply = at.client.done(
            "/v1/feedback", {"outcomes": {**late, **part, "who": next(iter(late.values()))}}
        )
        assert reply == {"accepted": list(late), "duplicate": list(part), "unknown": ["who"]}
        null = {"loss": None, "swapped_loss": None, "margin": None}
        third, fourth = (name for name in early if name not in part)
        assert at.client.done("/v1/feedback", {"outcomes": {third: null}}) == {"accepted": [third]}
        view = at.client.get("/v1/router").json
        assert view["counts"]["outcomes"] == 7
        assert sum(arm["rewards"] for arm in view["arms"]) == 4  # b1 waits for its last outcome
        at.client.done("/v1/feedback", {"outcomes": {fourth: early[fourth]}})
        view = at.client.get("/v1/router").json
        assert sum(arm["rewards"] for arm in view["arms"]) == 7  # a loss that is not known teaches nothing


def test_numbers_at_the_edge_of_infinity_do_no_harm_to_the_state(tmp_path):
    with running(tmp_path) as at:
        for n in range(4):
            reply = at.client.done("/v1/annotate", {"pairs": pairs(6, n), "batch_id": f"b{n}"})
            names = [one["decision_id"] for one in reply["annotations"]]
            numbers = [1.7e308, -1.7e308, float("inf"), float("nan"), 1e300, 1.0]
            told = {
                a: {"loss": x, "swapped_loss": x, "margin": x} for a, x in zip(names, numbers, strict=True)
            }
            assert at.client.done("/v1/feedback", {"outcomes": told}) == {"accepted": names}
    with running(tmp_path) as at:
        assert at.client.get("/v1/router").json["counts"]["outcomes"] == 24


def test_the_router_shows_arms_shares_beliefs_and_identity(tmp_path):
    with running(tmp_path) as at:
        empty = at.client.get("/v1/router").json
        assert [arm["share"] for arm in empty["arms"]] == [None] * 3
        reply = at.client.done("/v1/annotate", {"pairs": pairs(20)})
        view = at.client.get("/v1/router").json
    assert view["strategy"] == "router"
    assert view["identity"] == {"router": "scripted", "strategy": "router", "seed": 0}
    assert view["others"] == ["spare"]
    assert view["reward_models"].keys() == {"rm0", "rm1", "rm2", "spare"}
    counted = {arm["name"]: arm["labels"] for arm in view["arms"]}
    assert counted == {name: [a["rm"] for a in reply["annotations"]].count(name) for name in counted}
    assert sum(arm["share"] for arm in view["arms"]) == pytest.approx(1.0)
    assert all(arm["belief"]["spread"] > 0 for arm in view["arms"])
    assert view["history"]["spans"][0][0] == {name: n for name, n in counted.items() if n}


def test_what_is_believed_is_known_after_a_restart_and_when_arms_change(tmp_path):
    body = {"pairs": pairs(5), "batch_id": "b"}

    def beliefs(at):
        return {arm["name"]: arm["belief"] for arm in at.client.get("/v1/router").json["arms"]}

    with running(tmp_path) as at:
        assert beliefs(at) == dict.fromkeys(["rm0", "rm1", "rm2"])
        first = at.client.done("/v1/annotate", body)
        at.client.done("/v1/feedback", {"outcomes": outcomes(first["annotations"])})
        before = beliefs(at)
    with running(tmp_path) as at:
        assert beliefs(at) == before
        assert at.client.done("/v1/annotate", body) == first  # asked again: nothing new is seen
        assert beliefs(at) == before
        at.client.done("/v1/arms", {"name": "spare", "like": "rm0"})
        after = beliefs(at)
        assert {name: after[name] for name in before} == before
        assert after["spare"]["mean"] != 0


def test_arms_join_and_leave_and_that_is_kept(tmp_path):
    with running(tmp_path) as at:
        assert at.client.done("/v1/arms", {"name": "spare", "like": "rm0"})["others"] == []
        assert at.client.ask("DELETE", "/v1/arms/rm1").json == {
            "arms": ["rm0", "rm2", "spare"],
            "others": ["rm1"],
        }
        assert at.client.ask("DELETE", "/v1/arms/rm1").status == 404
        assert at.client.post("/v1/arms", {"name": "nobody"}).status == 404
        assert at.client.post("/v1/arms", {"name": "rm0"}).json == {"error": "rm0 is an arm already"}
    with running(tmp_path) as at:
        assert [arm["name"] for arm in at.client.get("/v1/router").json["arms"]] == ["rm0", "rm2", "spare"]


def test_openrlhf_s_request_as_its_client_sends_it(tmp_path, tokenizer):
    found, folder = tokenizer
    prompt = found.apply_chat_template(
        [{"role": "user", "content": "2 + 2?"}], tokenize=False, add_generation_prompt=True
    )
    texts = [f"It is {n}." for n in range(6)]
    with running(
        tmp_path, f"completions.tokenizer={folder}", "completions.responses=6", "completions.hold_seconds=9"
    ) as at:

        def ask(text):
            body = {"query": [f"{prompt}{text}<|im_end|>"], "prompts": [prompt], "labels": ["4"]}
            return at.client.done("/openrlhf", body)

        with ThreadPoolExecutor(6) as threads:
            replies = list(threads.map(ask, texts))
        later = ask("It is late.")
        seen = [
            text for model in at.models.values() for call in model.calls for pair in call for text in pair
        ]
    assert set(seen) == {*texts, "It is late."}  # without the template's marks
    chosen = [
        {name for name, (share,) in reply["extra_logs"].items() if share} for reply in [*replies, later]
    ]
    assert len(set(map(frozenset, chosen))) == 1
    assert all(reply["rewards"] == reply["scores"] and len(reply["rewards"]) == 1 for reply in replies)
    assert len({reply["rewards"][0] for reply in replies}) == 6


def test_verl_s_request_as_its_client_sends_it(tmp_path, tokenizer):
    found, folder = tokenizer
    chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "It is 4."}]
    text = found.apply_chat_template(chat, tokenize=False)
    with running(tmp_path, f"completions.tokenizer={folder}", "completions.hold_seconds=0") as at:
        reply = at.client.done("/classify", {"model": "any/name", "input": text, "use_activation": False})
        score = reply["data"][-1]["probs"][-1]
        same = at.client.done("/classify", {"model": "any/name", "messages": chat, "use_activation": False})
        squashed = at.client.done("/classify", {"model": "m", "input": [text, text]})
        assert at.client.post("/classify", {"model": "m", "input": "no template"}).status == 422
    assert reply["model"] == "any/name"
    assert same["data"][0]["probs"] == [score]
    assert [one["index"] for one in squashed["data"]] == [0, 1]
    assert all(0 < one["probs"][0] < 1 for one in squashed["data"])
    assert (squashed["data"][0]["probs"][0] > 0.5) == (score > 0)


AIOHTTP = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
    "User-Agent: Python/3.11 aiohttp/3.14.5\r\nContent-Length: {length}\r\nContent-Type: application/json\r\n\r\n"
)
TURN = "<|im_start|>user\\nWhat is 40 + 41?<|im_end|>\\n<|im_start|>assistant\\n"
CAPTURED = {
    # OpenRLHF 0.11.2, SingleTurnAgentExecutor.execute; verl 0.9.1, RewardLoopWorker.compute_score: as they came.
    "/openrlhf": f'{{"query": ["{TURN}It is 81.<|im_end|>"], "prompts": ["{TURN}"], "labels": ["81"]}}',
    "/classify": f'{{"model": "a/b", "input": "{TURN}It is 81.<|im_end|><|im_end|>\\n", "use_activation": false}}',
}


def test_what_openrlhf_and_verl_sent_byte_for_byte_is_answered(tmp_path, tokenizer):
    with running(tmp_path, f"completions.tokenizer={tokenizer[1]}", "completions.hold_seconds=0") as at:
        replies = {}
        for path, body in CAPTURED.items():
            head = AIOHTTP.format(path=path, port=at.client.port, length=len(body))
            with socket.create_connection(("127.0.0.1", at.client.port), timeout=30) as raw:
                raw.sendall(f"{head}{body}".encode())
                answer = http.client.HTTPResponse(raw)
                answer.begin()
                replies[path] = json.loads(answer.read())
    reply = replies["/openrlhf"]
    assert replies["/classify"]["data"][-1]["probs"][-1] == reply["rewards"][0] == reply["scores"][0]
    assert reply["extra_logs"].keys() == {
        f"share/{name}" for name in at.models
    }  # the same, whatever the arms


def test_a_prompt_that_nobody_answers_is_an_error_with_its_reasons(tmp_path):
    body = {"query": ["2+2=4"], "prompts": ["2+2="]}
    with running(tmp_path, "completions.hold_seconds=0") as at:
        for model in at.models.values():
            model.down = True
        reply = at.client.post("/openrlhf", body)
        assert reply.status == 503
        assert reply.json["error"].startswith("no reward model answered: rm")
        assert at.client.get("/v1/router").json["counts"]["unanswered"] == 1
        for model in at.models.values():
            model.down = False
        assert at.client.post("/openrlhf", body).status == 200


def test_a_first_completion_waits_for_its_partners_and_a_later_one_does_not(tmp_path):
    with running(tmp_path, "completions.hold_seconds=0.4") as at:
        begun = time.monotonic()
        with ThreadPoolExecutor(3) as threads:
            bodies = [{"query": [f"hi {n}"], "prompts": ["hi "]} for n in range(3)]
            list(threads.map(lambda body: at.client.done("/openrlhf", body), bodies))
        assert 0.35 < time.monotonic() - begun < 3
        assert sum(len(model.calls) for model in at.models.values()) == 1
        begun = time.monotonic()
        at.client.done("/openrlhf", {"query": ["hi 9"], "prompts": ["hi "]})
        assert time.monotonic() - begun < 0.35


def test_paths_of_the_drop_ins_can_be_chosen(tmp_path):
    with running(tmp_path, "completions.openrlhf_path=/get_reward", "completions.hold_seconds=0") as at:
        assert at.client.post("/openrlhf", {"query": ["ab"], "prompts": ["a"]}).status == 404
        assert at.client.post("/get_reward", {"query": ["ab"], "prompts": ["a"]}).status == 200


BAD = {
    "no body": ("/v1/annotate", b"", "body: there is none"),
    "no key": ("/v1/annotate", {}, "pairs: there is none"),
    "not JSON": ("/v1/annotate", b'{"pairs": [', "not JSON"),
    "no pairs": ("/v1/annotate", {"pairs": []}, "pairs"),
    "unknown key": ("/v1/annotate", {"pairs": pairs(1), "batch": "x"}, "batch: Extra inputs"),
    "twice an id": ("/v1/annotate", {"pairs": pairs(1) * 2}, "two pairs have the id 'p0'"),
    "too many": ("/v1/annotate", {"pairs": pairs(33)}, "33, at most 32 at once"),
    "half a sign": (
        "/v1/annotate",
        b'{"pairs": [{"id": "\\ud800", "\\ud800": 1}]}',
        "not JSON: unexpected end of hex",
    ),
    "no number": ("/v1/feedback", {"outcomes": {"d": {"loss": "x", "swapped_loss": 1, "margin": 1}}}, "loss"),
    "lengths": ("/openrlhf", {"query": ["a"], "prompts": []}, "prompts: 0 for 1 queries"),
    "no prompt": ("/openrlhf", {"query": ["a"]}, "set completions.tokenizer"),
    "both": ("/classify", {"input": "a", "messages": [{"role": "user", "content": ""}] * 2}, "either"),
    "no answer": (
        "/classify",
        {"messages": [{"role": "user", "content": ""}] * 2},
        "must be the assistant's",
    ),
}


@pytest.mark.parametrize(("path", "body", "said"), BAD.values(), ids=BAD)
def test_a_bad_request_is_told_in_one_line_and_changes_nothing(path, body, said, tmp_path):
    with running(tmp_path, "limits.pairs=32") as at:
        reply = at.client.post(path, body)
        assert reply.status == 422
        assert said in reply.json["error"]
        assert "\n" not in reply.json["error"]
        assert at.client.get("/v1/router").json["counts"]["events"] == 0


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("application/x-www-form-urlencoded", "the body is said to be application/x-www-form-urlencoded;"),
        ("text/plain", "the body is said to be text/plain;"),
        ("", "the body is not said to be anything;"),
    ],
)
def test_a_body_that_is_not_said_to_be_json_is_told_so(kind, said, tmp_path):
    body = json.dumps({"pairs": pairs(1)}).encode()
    with running(tmp_path) as at:
        reply = at.client.ask("POST", "/v1/annotate", body, **{"Content-Type": kind})
        assert reply.status == 415
        assert reply.json["error"] == f"{said} send JSON, with the header Content-Type: application/json"
        for good in ("application/json; charset=utf-8", "Application/JSON", "application/problem+json"):
            assert at.client.ask("POST", "/v1/annotate", body, **{"Content-Type": good}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe\x00",
        b'{"pairs": "\xff"}',
        b"[" * 100_000,
        b'{"step": ' + b"9" * 9999 + b"}",
        b"{} {}",
        b"\x00",
    ],
)
def test_what_is_not_json_is_told_so_whatever_it_is(body, tmp_path):
    with running(tmp_path) as at:
        reply = at.client.post("/v1/annotate", body)
        assert reply.status == 422
        assert reply.json["error"].startswith("not JSON: ")
        assert len(reply.body) < 300


def test_other_texts_under_a_known_decision_are_a_conflict(tmp_path):
    with running(tmp_path) as at:
        at.client.done("/v1/annotate", {"pairs": pairs(1), "batch_id": "b"})
        reply = at.client.post("/v1/annotate", {"pairs": pairs(1, 1), "batch_id": "b"})
    assert reply.status == 409
    assert reply.json["error"].startswith("decision b/p0: was made on other texts")


def test_a_fault_is_said_to_be_one_and_the_next_request_is_done(tmp_path):
    with running(tmp_path) as at:
        for model in at.models.values():
            judge = model.judge
            model.judge = lambda given, judge=judge: judge(given)[:-1]  # breaks its contract
        reply = at.client.post("/v1/annotate", {"pairs": pairs(2), "batch_id": "b"})
        assert reply.status == 500
        assert "fault of the gateway: RuntimeError" in reply.json["error"]
        for model in at.models.values():
            del model.judge
        assert len(at.client.done("/v1/annotate", {"pairs": pairs(2), "batch_id": "b"})["annotations"]) == 2
        assert at.client.get("/healthz").json == {"status": "ok"}


def test_while_the_disk_is_full_everybody_is_told(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with running(tmp_path) as at:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            reply = at.client.post("/v1/annotate", {"pairs": pairs(1)})
            assert reply.status == 503
            assert (
                reply.json["error"]
                == "nothing was done: the state cannot be written: No space left on device"
            )
            assert at.client.get("/v1/router").json["counts"]["events"] == 0
            health = at.client.get("/healthz")
            assert health.status == 503
            assert health.json == {"status": "broken: the state cannot be written: No space left on device"}
        at.client.done("/v1/annotate", {"pairs": pairs(1)})
        assert at.client.get("/healthz").json == {"status": "ok"}


def test_where_the_state_was_removed_nothing_is_acknowledged(tmp_path):
    with running(tmp_path) as at:
        at.client.done("/v1/annotate", {"pairs": pairs(1)})
        shutil.rmtree(tmp_path / "state")
        (tmp_path / "state").touch()
        for batch in range(2):
            reply = at.client.post("/v1/annotate", {"pairs": pairs(1, batch + 1)})
            assert reply.status == 500
            assert "a fault of the gateway: CheckpointError" in reply.json["error"]
        assert "cannot be read" in at.client.get("/healthz").json["status"]


def test_pairs_that_have_left_those_of_the_fit_are_reported(tmp_path, monkeypatch):
    def numbers(at):
        text = at.client.get("/metrics").body.decode()
        lines = [one.rsplit(" ", 1) for one in text.splitlines() if one.startswith("rewardrouter_shift_")]
        return {name.removeprefix("rewardrouter_shift_"): float(value) for name, value in lines}

    with running(tmp_path / "like", "saving.every_events=3") as at:
        for n in range(8):
            at.client.done("/v1/annotate", {"pairs": pairs(16, n), "batch_id": f"b{n}"})
        told = at.client.get("/v1/router").json["shift"]
        assert (told["fired"], told["fired_at"], told["pairs"], told["groups"]) == (False, None, 128, 128)
        assert told["evidence"] < told["threshold"]
        shown = numbers(at)
        assert shown == pytest.approx(
            {"evidence": told["evidence"], "fired": 0, "fired_at_pair": 0}, rel=1e-6
        )
        assert "no longer like" not in at.client.get("/").body.decode()
    with running(tmp_path / "like") as at:
        assert at.client.get("/v1/router").json["shift"] == told

    apart = ContextReference.of(np.random.default_rng(0).standard_normal((300, 5)) - 20.0)
    monkeypatch.setattr(Router, "reference", apart)
    with running(tmp_path / "apart") as at:
        for n in range(8):
            at.client.done("/v1/annotate", {"pairs": pairs(16, n), "batch_id": f"b{n}"})
        told = at.client.get("/v1/router").json["shift"]
        assert told["fired"]
        assert told["evidence"] > told["threshold"]
        assert told["fired_at"] in range(1, 129)
        assert numbers(at)["fired_at_pair"] == told["fired_at"]
        assert f"seen after {told['fired_at']} of 128" in at.client.get("/").body.decode()

    with running(tmp_path / "none", "strategy=majority") as at:
        assert at.client.get("/v1/router").json["shift"] is None
        assert numbers(at) == {}


def test_what_fails_or_ties_in_a_cascade_is_told_and_is_no_label(tmp_path):
    models = reward_models()
    models["rm1"] = Switched("rm1", lambda _: 1.0)
    with running(tmp_path, "strategy=router+cascade@1.35", models=models) as at:
        models["rm0"].down = True
        reply = at.client.done("/v1/annotate", {"pairs": pairs(12), "batch_id": "one"})
        for one in reply["annotations"]:
            assert [verdict["rm"] for verdict in one["verdicts"]] == one["rms"]
            said = {verdict["rm"]: verdict for verdict in one["verdicts"]}
            assert "rm0" not in said or said["rm0"]["error"] == "no score"
            assert "rm1" not in said or said["rm1"]["winner"] == "tie"
            assert one["label"] in ("A", "B")
            assert "rm2" in said  # the only one that has said anything
        assert any(len(one["rms"]) == 3 for one in reply["annotations"])
        models["rm2"].down = True
        reply = at.client.done("/v1/annotate", {"pairs": pairs(3, 1), "batch_id": "none"})
        for one in reply["annotations"]:
            assert (one["label"], one["rm"], sorted(one["rms"])) == (None, None, ["rm0", "rm1", "rm2"])
            assert "rm1: tie" in one["reason"]
        assert at.client.get("/v1/router").json["counts"]["dropped"] == 3
        told = {
            one["decision_id"]: {"loss": 1, "swapped_loss": 1, "margin": 0} for one in reply["annotations"]
        }
        assert at.client.done("/v1/feedback", {"outcomes": told})["unlabelled"] == list(told)


def test_pages_answer_while_an_rm_takes_its_time(tmp_path):
    with running(tmp_path) as at:
        at.client.done("/v1/annotate", {"pairs": pairs(1)})
        for model in at.models.values():
            model.seconds = 1.5
        slow = threading.Thread(target=at.client.done, args=("/v1/annotate", {"pairs": pairs(1, 1)}))
        slow.start()
        wait_until(lambda: at.protected.working == 1)
        begun = time.monotonic()
        for path in ("/healthz", "/v1/router", "/metrics", "/"):
            assert at.client.get(path).status == 200
        assert time.monotonic() - begun < 3 * 0.5 + 0.5
        slow.join()


def test_metrics_count_what_was_done(tmp_path):
    with running(tmp_path) as at:
        at.models["rm0"].down = True
        at.client.done("/v1/annotate", {"pairs": pairs(30)})
        at.client.get("/no/such/page")
        at.client.get("/", Host="elsewhere.example")
        text = at.client.get("/metrics").body.decode()
        numbers = {
            name: float(value)
            for name, value in (one.rsplit(" ", 1) for one in text.splitlines() if one[0] != "#")
        }
    assert numbers["rewardrouter_pairs_total"] == 30
    assert numbers['rewardrouter_requests_total{path="/v1/annotate",status="200"}'] == 1
    assert numbers['rewardrouter_requests_total{path="other",status="404"}'] == 1
    assert numbers['rewardrouter_refused_total{status="403"}'] == 1
    assert numbers['rewardrouter_verdicts_total{result="failure",rm="rm0"}'] > 0
    assert numbers['rewardrouter_verdicts_total{result="answer",rm="rm0"}'] == 0
    labels = sum(value for name, value in numbers.items() if name.startswith("rewardrouter_labels_total"))
    assert labels == 30
