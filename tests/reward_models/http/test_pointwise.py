"""Reward models behind servers: what is asked, byte for byte, and what becomes of every answer."""

import json

import pytest
from server_answers import openrlhf, sglang, vllm, vllm_pooling, vllm_score, worth
from transformers import AutoTokenizer

from rewardrouter.config.servers import OpenRlhfConfig, SglangConfig, VllmConfig
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.reward_models.base import ReadsMetadata
from rewardrouter.reward_models.http.pointwise import ServerRewardModel
from rewardrouter.testing import check_reward_model, sample_pairs
from rewardrouter.testing.loopback import (
    changed,
    disconnects,
    hangs,
    late,
    says,
    serving,
    status,
    trickles,
    truncated,
)

QUICK = {"first_wait": 0.01, "timeout": 5.0}


def test_vllm_is_sent_the_messages_of_one_text_per_request_and_asked_for_raw_scores():
    pair = PreferencePair(
        "p",
        (Message("system", "Be „terse“."), Message("user", "2+2?")),
        (Message("assistant", "4"),),
        (Message("assistant", "5"),),
    )
    with serving(vllm) as server:
        rm = ServerRewardModel(VllmConfig(name="rm", url=server.url, model="m"))
        (verdict,) = rm.judge([pair])
    conversations = [
        [
            {"role": "system", "content": "Be „terse“."},
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": answer},
        ]
        for answer in ("4", "5")
    ]
    assert sorted(request.raw for request in server.seen) == sorted(
        json.dumps({"model": "m", "messages": messages, "use_activation": False}, ensure_ascii=False).encode()
        for messages in conversations
    )
    assert {request.path for request in server.seen} == {"/classify"}
    assert {request.headers["Content-Type"] for request in server.seen} == {"application/json"}
    assert not any("Authorization" in request.headers for request in server.seen)
    assert [verdict.score_a, verdict.score_b] == [worth(messages) for messages in conversations]
    assert verdict.seconds > 0


def test_text_written_here_is_sent_as_token_ids_with_one_beginning_in_batches(tiny_reward_model):
    folder = tiny_reward_model("llama")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with serving(vllm) as server:
        rm = ServerRewardModel(
            VllmConfig(
                name="rm", url=server.url, model="m", tokenizer=str(folder), batch_size=2, concurrency=1
            )
        )
        verdicts = rm.judge(
            [PreferencePair("p", "Why?", "So.", "Thus."), PreferencePair("q", "Why?", "So.", "")]
        )
    expected = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": answer}], tokenize=False
        )
        for answer in ("So.", "Thus.", "")
    ]
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in expected]
    assert all(row.count(tokenizer.bos_token_id) == 1 for row in ids)
    assert [request.body for request in server.seen] == [
        {"model": "m", "input": ids[:2], "use_activation": False},
        {"model": "m", "input": ids[2:], "use_activation": False},
    ]
    assert [(v.score_a, v.score_b) for v in verdicts] == [
        (worth(ids[0]), worth(ids[1])),
        (worth(ids[0]), worth(ids[2])),
    ]


def test_a_text_is_sent_without_the_beginning_that_the_server_adds(tiny_reward_model):
    folder = tiny_reward_model("llama")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = {"url": "http://127.0.0.1:1", "tokenizer": str(folder), "send": "text"}
    with serving(sglang) as server:
        rm = ServerRewardModel(SglangConfig(name="rm", **{**config, "url": server.url}))
        rm.judge([PreferencePair("p", "Why?", "So.", "Thus.")])
    (request,) = server.seen
    first, second = request.body["text"]
    assert request.path == "/classify"
    assert request.body == {"text": ["[INST] Why? [/INST] So.</s>", "[INST] Why? [/INST] Thus.</s>"]}
    for text in (first, second):
        assert tokenizer(text)["input_ids"][:2] != [tokenizer.bos_token_id] * 2
        assert tokenizer(text)["input_ids"][0] == tokenizer.bos_token_id


def test_sglang_is_sent_token_ids(tiny_reward_model):
    with serving(sglang) as server:
        rm = ServerRewardModel(
            SglangConfig(name="rm", url=server.url, tokenizer=str(tiny_reward_model("qwen3")))
        )
        (verdict,) = rm.judge([PreferencePair("p", "Why?", "So.", "Thus.")])
    (request,) = server.seen
    assert list(request.body) == ["input_ids"]
    assert [verdict.score_a, verdict.score_b] == [worth(ids) for ids in request.body["input_ids"]]


def test_without_template_the_response_follows_the_prompt():
    with serving(sglang) as server:
        rm = ServerRewardModel(SglangConfig(name="rm", url=server.url, template="none"))
        rm.judge([PreferencePair("p", "Why? ", "So.", "Thus.")])
    assert server.seen[0].body == {"text": ["Why? So.", "Why? Thus."]}


def test_pooling_names_its_task():
    with serving(vllm_pooling) as server:
        rm = ServerRewardModel(
            VllmConfig(name="rm", url=server.url, model="m", endpoint="pooling", template="none")
        )
        (verdict,) = rm.judge([PreferencePair("p", "Why? ", "So.", "Thus.")])
    (request,) = server.seen
    assert request.path == "/pooling"
    assert request.raw == (
        b'{"model": "m", "task": "classify", "input": ["Why? So.", "Why? Thus."], "use_activation": false}'
    )
    assert (verdict.score_a, verdict.score_b) == (worth("Why? So."), worth("Why? Thus."))


def test_score_sends_prompt_and_response_as_a_pair():
    with serving(vllm_score) as server:
        rm = ServerRewardModel(
            VllmConfig(name="rm", url=server.url, model="m", endpoint="score", system="Be terse.")
        )
        (verdict,) = rm.judge([PreferencePair("p", "Why?", "So.", "Thus.")])
    (request,) = server.seen
    prompt = "system: Be terse.\nuser: Why?"
    assert request.path == "/score"
    assert request.body == {
        "model": "m",
        "text_1": [prompt, prompt],
        "text_2": ["So.", "Thus."],
        "use_activation": False,
    }
    assert (verdict.score_a, verdict.score_b) == (worth([prompt, "So."]), worth([prompt, "Thus."]))


def test_openrlhf_is_sent_query_prompt_and_label(tiny_reward_model):
    pair = PreferencePair("p", "1+1?", "2", "3", {"gold": 2})
    with serving(openrlhf) as server:
        plain = OpenRlhfConfig(name="rm", url=f"{server.url}/get_reward", labels="gold")
        rm = ServerRewardModel(plain)
        (verdict,) = rm.judge([pair])
        written = ServerRewardModel(
            OpenRlhfConfig(
                name="rm", url=f"{server.url}/get_reward", tokenizer=str(tiny_reward_model("qwen3"))
            )
        )
        written.judge([pair])
    first, second = server.seen
    assert first.path == "/get_reward"
    assert first.body == {"query": ["1+1?2", "1+1?3"], "prompts": ["1+1?"] * 2, "labels": ["2", "2"]}
    assert verdict.score_a == worth(["1+1?2", "1+1?", "2"])
    prompt = "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
    assert second.body == {
        "query": [f"{prompt}2<|im_end|>\n", f"{prompt}3<|im_end|>\n"],
        "prompts": [prompt] * 2,
        "labels": ["", ""],
    }


def make(kind, url, tokenizer, **settings):
    settings = {**QUICK, **settings, "name": "rm", "url": url}
    if kind == "openrlhf":
        return ServerRewardModel(OpenRlhfConfig(**{**settings, "url": f"{url}/get_reward"}))
    if kind.startswith("sglang"):
        send = {"tokenizer": str(tokenizer), "send": kind.partition(" ")[2] or "tokens"}
        return ServerRewardModel(SglangConfig(**settings, **send))
    endpoint = kind.partition(" ")[2]
    if endpoint == "tokens":
        settings["tokenizer"] = str(tokenizer)
        endpoint = "classify"
    return ServerRewardModel(VllmConfig(**settings, model="m", endpoint=endpoint))


KINDS = {
    "vllm classify": vllm,
    "vllm tokens": vllm,
    "vllm pooling": vllm_pooling,
    "vllm score": vllm_score,
    "sglang": sglang,
    "sglang text": sglang,
    "openrlhf": openrlhf,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_the_contract(kind, tiny_reward_model):
    with serving(KINDS[kind]) as server:
        check_reward_model(make(kind, server.url, tiny_reward_model("qwen3")))


def reordered(answer):
    """Shuffle results that carry their index; they still are those of their texts."""
    if isinstance(answer, dict) and "data" in answer:
        answer["data"].reverse()


def misindexed(answer):
    if not (isinstance(answer, dict) and "data" in answer):
        return [answer] * 3
    answer["data"][0]["index"] = answer["data"][-1]["index"] + 1
    return None


def too_many(answer):
    rows = answer if isinstance(answer, list) else answer.get("data", answer.get("rewards"))
    rows.append(rows[0])


def too_few(answer):
    rows = answer if isinstance(answer, list) else answer.get("data", answer.get("rewards"))
    rows.pop()


def scores(answer, value):
    """Replace the first score."""
    row = answer[0] if isinstance(answer, list) else answer.get("data", [answer])[0]
    for key in ("probs", "score", "data", "embedding"):
        if key in row:
            row[key] = [value] if isinstance(row[key], list) else value
    if "rewards" in row:
        row["rewards"][0] = value


FAULTS = {
    "answers 500 once": ([status(500)], True),
    "answers 503 twice": ([status(503), status(503)], True),
    "answers 429 once": ([status(429, "slow down", retry_after="0.05")], True),
    "disconnects once": ([disconnects], True),
    "says nothing once": ([hangs(0.3)], True),
    "trickles once": ([trickles], True),
    "is late": ([late(0.1)], True),
    "reorders": ([changed(reordered)], True),
    "answers 500": ([status(500)] * 3, False),
    "says nothing": ([hangs(0.3)] * 3, False),
    "disconnects": ([disconnects] * 3, False),
    "answers 404": ([status(404, '{"detail":"Not Found"}')], False),
    "truncates": ([truncated], False),
    "says nothing at all": ([says(b"")], False),
    "is no JSON": ([says(b"<html>Bad gateway</html>")], False),
    "is another JSON": ([says(b'{"hello": [1, 2]}')], False),
    "is deep": ([says(b"[" * 100_000)], False),
    "gives too many": ([changed(too_many)], False),
    "gives too few": ([changed(too_few)], False),
    "misindexes": ([changed(misindexed)], False),
    "gives NaN": ([changed(lambda answer: scores(answer, float("nan")))], False),
    "gives infinity": ([changed(lambda answer: scores(answer, float("inf")))], False),
    "gives null": ([changed(lambda answer: scores(answer, None))], False),
    "gives text": ([changed(lambda answer: scores(answer, "0.7"))], False),
    "gives truth": ([changed(lambda answer: scores(answer, True))], False),
    "gives a number beyond floats": ([changed(lambda answer: scores(answer, 10**400))], False),
    "gives two scores": ([changed(lambda answer: scores(answer, [0.1, 0.9]))], False),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["vllm classify", "vllm tokens", "vllm score", "sglang", "openrlhf"])
def test_whatever_a_server_does_a_pair_has_its_own_label_or_a_named_failure(kind, fault, tiny_reward_model):
    """One request at a time; the fault befalls the first, or all its tries, and the rest are as they should be."""
    faults, recovers = FAULTS[fault]
    pairs = sample_pairs()[:4]
    with serving(KINDS[kind]) as server:
        settings = {"tries": 3, "timeout": 0.25, "concurrency": 1, "batch_size": 4}
        rm = make(kind, server.url, tiny_reward_model("qwen3"), **settings)
        right = rm.judge(pairs)
        server.faults.extend(faults)
        found = rm.judge(pairs)
    assert all(verdict.winner for verdict in right)
    for verdict, expected in zip(found, right, strict=True):
        if verdict.winner is None:
            assert f"{server.url}/" in verdict.error
            assert len(verdict.error) < 600
            assert "\n" not in verdict.error
        else:
            assert (verdict.score_a, verdict.score_b) == (expected.score_a, expected.score_b)
    failed = [verdict.winner is None for verdict in found]
    # A request holds the texts of one pair or two; the later ones are asked after the fault.
    assert any(failed[:2]) != recovers
    assert not any(failed[2:])


def test_a_server_that_refuses_the_connection_is_named():
    with serving(vllm) as server:
        url = server.url
    rm = make("vllm classify", url, None, tries=2)
    (verdict,) = rm.judge([PreferencePair("p", "a", "b", "c")])
    assert verdict.winner is None
    assert f"{url}/classify: no connection (" in verdict.error
    assert "is the server running?, 2 times in a row" in verdict.error


def test_a_text_that_the_server_refuses_fails_alone():
    pairs = [PreferencePair(f"p{n}", f"{n}? ", "yes", "too long" if n == 2 else "no") for n in range(4)]
    with serving(sglang) as server:

        def refuses(handler, due):
            if b"too long" in server.seen[-1].raw:
                handler.reply(b'{"error": {"message": "This model reads 8 tokens"}}', 400)
            else:
                handler.reply(due)

        server.always = refuses
        rm = ServerRewardModel(SglangConfig(name="rm", url=server.url, template="none", concurrency=1))
        verdicts = rm.judge(pairs)
    assert [verdict.winner is None for verdict in verdicts] == [False, False, True, False]
    assert verdicts[2].error == (f"response B: {server.url}/classify: HTTP 400 (This model reads 8 tokens)")


def test_each_distinct_text_is_scored_once():
    pairs = [
        PreferencePair("1", "q", "a", "b"),
        PreferencePair("2", "q", "b", "a"),
        PreferencePair("3", "q", "a", "a"),
    ]
    with serving(sglang) as server:
        rm = ServerRewardModel(SglangConfig(name="rm", url=server.url, template="none"))
        winners = [verdict.winner for verdict in rm.judge(pairs)]
    assert server.seen[0].body == {"text": ["qa", "qb"]}
    assert winners[2] == "tie"
    assert {winners[0], winners[1]} == {"A", "B"}


def test_no_more_requests_are_under_way_than_allowed():
    pairs = [PreferencePair(f"p{n}", f"{n}", "a", "b") for n in range(10)]
    with serving(vllm) as server:
        server.always = late(0.03)
        make("vllm classify", server.url, None, concurrency=3).judge(pairs)
        assert server.most == 3
        assert len(server.seen) == 20


def test_identity_is_what_decides_the_scores_and_never_the_key(tiny_reward_model, monkeypatch):
    monkeypatch.setenv("RM_KEY", "swordfish-1234")
    folder = tiny_reward_model("qwen3")
    config = {"name": "rm", "url": "http://127.0.0.1:8000/rm", "model": "m", "tokenizer": str(folder)}
    rm = ServerRewardModel(VllmConfig(**config, key_env="RM_KEY"))
    identity = dict(rm.identity)
    assert "swordfish" not in json.dumps(identity) + repr(rm) + repr(vars(rm)) + repr(rm._endpoint)
    assert identity.pop("source") == "http://127.0.0.1:8000/rm/classify"
    assert identity.pop("path") == "/rm/classify"
    assert identity.pop("tokenizer").startswith("sha256:")
    assert identity.pop("form").startswith("chat:")
    assert identity == {
        "kind": "vllm",
        "model": "m",
        "texts": "tokens",
        "system": None,
        "max_tokens": rm._texts.max_tokens,
    }
    elsewhere = ServerRewardModel(VllmConfig(**{**config, "url": "http://10.0.0.1:9/rm"}, timeout=1, tries=9))
    assert {**elsewhere.identity, "source": ""} == {**rm.identity, "source": ""}
    other = ServerRewardModel(VllmConfig(**config, system="Be terse."))
    assert other.identity != rm.identity


def test_servers_of_models_without_a_name_are_told_apart():
    """A verdict cache leaves the source out of its keys."""
    first, second = (
        dict(ServerRewardModel(OpenRlhfConfig(name="rm", url=f"http://10.0.0.{n}/get_reward")).identity)
        for n in (1, 2)
    )
    del first["source"], second["source"]
    assert first != second


def test_only_a_server_that_is_sent_gold_answers_reads_more_than_texts():
    plain = OpenRlhfConfig(name="rm", url="http://h")
    assert not isinstance(ServerRewardModel(plain), ReadsMetadata)
    assert isinstance(ServerRewardModel(plain.model_copy(update={"labels": "gold"})), ReadsMetadata)


def test_a_text_form_that_is_known_of_the_model_is_used_and_needs_a_tokenizer(tiny_reward_model):
    raft = {"name": "rm", "model": "hendrydong/Mistral-RM-for-RAFT-GSHF-v0"}
    with pytest.raises(ConfigError, match="reads texts in a form of its own; give tokenizer"):
        ServerRewardModel(VllmConfig(url="http://h", **raft))
    tokenizer = {"tokenizer": str(tiny_reward_model("llama")), "send": "text"}
    pair = PreferencePair("p", "Why?", "So.", "Thus.")
    with serving(sglang) as server:
        ServerRewardModel(SglangConfig(url=server.url, **raft, **tokenizer)).judge([pair])
        form = {"user": "Q {content}", "assistant": " A {content}"}
        ServerRewardModel(SglangConfig(url=server.url, **raft, **tokenizer, form=form)).judge([pair])
    first, second = (request.body["text"][0] for request in server.seen)
    assert first.startswith("[INST] You must read the following conversation carefully")
    assert first.endswith("\nUser: Why?\nAssistant: So.")
    assert second == "Q Why? A So."


def test_a_tokenizer_that_is_not_there_or_reads_pairs_is_the_users_mistake(tmp_path, tiny_reward_model):
    with pytest.raises(CheckpointError, match=r"reward model rm: tokenizer \./nowhere: no such folder"):
        ServerRewardModel(
            VllmConfig(name="rm", url="http://h", model="m", tokenizer="./nowhere"), relative_to=tmp_path
        )
    with pytest.raises(ConfigError, match="endpoint: score"):
        ServerRewardModel(
            VllmConfig(name="rm", url="http://h", model="m", tokenizer=str(tiny_reward_model("bert")))
        )


def test_what_is_too_long_is_cut_here_where_it_is_written_here(tiny_reward_model):
    with serving(vllm) as server:
        rm = ServerRewardModel(
            VllmConfig(
                name="rm", url=server.url, model="m", tokenizer=str(tiny_reward_model("qwen3")), max_tokens=32
            )
        )
        rm.judge([PreferencePair("p", "long " * 100, "a", "b")])
    assert [len(ids) for ids in server.seen[0].body["input"]] == [32, 32]


def test_a_server_reads_as_many_tokens_as_the_same_model_here(tiny_reward_model):
    """The folder's limit, or the server's where that is less; what is cut is told."""
    from rewardrouter.config.pool import HfConfig
    from rewardrouter.reward_models.hf import HfRewardModel

    folder = tiny_reward_model("llama")
    pair = PreferencePair("p", "Why? " * 3000, "So.", "Thus.")
    here = HfRewardModel(HfConfig(name="rm", source=str(folder)))
    here.judge([pair])
    for served, limit in ((None, here.max_tokens), (10**6, here.max_tokens), (100, 100)):
        with serving(vllm) as server:
            server.models = served and [{"id": "m", "max_model_len": served}]
            rm = ServerRewardModel(VllmConfig(name="rm", url=server.url, model="m", tokenizer=str(folder)))
            rm.judge([pair])
            assert {len(ids) for request in server.seen for ids in request.body["input"]} == {limit}
        assert rm.notes()[0].startswith(f"rm: 2 of 2 texts cut to {limit:,} tokens")
        if limit == here.max_tokens:
            assert rm.notes() == here.notes()


def test_the_server_that_lays_messages_out_is_sent_no_control_token():
    with serving(vllm) as server:
        rm = ServerRewardModel(VllmConfig(name="rm", url=server.url, model="m"))
        rm.judge([PreferencePair("p", "q", "Bad.<|im_end|>", "x</s>[/INST]<end_of_turn>")])
        sent = "".join(request.raw.decode() for request in server.seen)
    assert not any(mark in sent for mark in ("<|im_end|>", "</s>", "[/INST]", "<end_of_turn>"))
