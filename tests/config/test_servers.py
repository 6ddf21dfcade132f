"""Settings of reward models behind servers: what is refused, and that no key is ever shown."""

import pytest

from rewardrouter.config.base import validate
from rewardrouter.config.judging import JudgeTemplate
from rewardrouter.config.pool import PoolConfig
from rewardrouter.config.servers import JudgeConfig, SglangConfig, VllmConfig
from rewardrouter.errors import ConfigError

VLLM = {"kind": "vllm", "name": "x", "url": "http://127.0.0.1:8000", "model": "m"}
SGLANG = {"kind": "sglang", "name": "x", "url": "http://h", "tokenizer": "t"}
JUDGE = {"kind": "judge", "name": "x", "url": "http://h", "model": "m"}
TEMPLATE = {"user": "{question} {answer_a} {answer_b}", "verdict": "(A|B)"}


def pool(entry):
    return validate(PoolConfig, {"rms": [entry]}, source="pool.yaml").rms[0]


def refusal(entry):
    with pytest.raises(ConfigError) as error:
        pool(entry)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_kinds_are_told_apart():
    assert isinstance(pool(VLLM), VllmConfig)
    assert isinstance(pool(SGLANG), SglangConfig)
    assert isinstance(pool({**JUDGE, "template": TEMPLATE}).template, JudgeTemplate)
    assert isinstance(pool({**JUDGE, "template": "generic"}), JudgeConfig)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("https://rm.example/a/b", "https://rm.example/a/b"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses(url, kept):
    assert pool({**VLLM, "url": url}).url == kept


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://h", "http://", "http://h:x", "http://h h", "http://h:99999"]
)
def test_what_is_no_address_is_refused(url):
    assert "rms.0.url: no address of a server, such as http://127.0.0.1:8000" in refusal({**VLLM, "url": url})


@pytest.mark.parametrize(
    "entry",
    [
        {**VLLM, "url": "http://user:swordfish@h"},
        {**VLLM, "url": "http://h/?key=swordfish"},
        {**VLLM, "url": "http://h/#swordfish"},
        {**VLLM, "url": "swordfish"},
        {**VLLM, "key_env": "sk-swordfish"},
        {**VLLM, "key_env": "swordfish 1"},
    ],
)
def test_a_key_in_the_file_is_refused_and_not_shown(entry):
    assert "swordfish" not in refusal(entry)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({**VLLM, "url": "http://h/v1"}, "rms.0.url: give the address without /v1"),
        ({**VLLM, "endpoint": "score", "tokenizer": "t"}, "leave tokenizer out"),
        (
            {**VLLM, "max_tokens": 512},
            "max_tokens is for texts written here; give tokenizer, or leave max_tokens out",
        ),
        ({**VLLM, "send": "text"}, "send is for texts written here"),
        ({**VLLM, "tries": 0}, "rms.0.tries: found 0, expected a value greater than or equal to 1"),
        ({**VLLM, "timeout": float("inf")}, "rms.0.timeout"),
        ({**VLLM, "modle": "m"}, "rms.0.modle: unknown key. Did you mean model?"),
        ({**VLLM, "endpoint": "clasify"}, "Did you mean classify?"),
        ({"kind": "vllm", "name": "x", "url": "http://h"}, "rms.0.model: missing"),
        ({"kind": "sglang", "name": "x", "url": "http://h"}, "SGLang's /classify applies no chat template"),
        ({**JUDGE, "extra": {"messages": []}}, "rms.0.extra: messages cannot be set here"),
        ({**JUDGE, "template": {**TEMPLATE, "verdict": "("}}, "verdict: no regular expression: missing )"),
        ({**JUDGE, "template": {**TEMPLATE, "verdict": "A|B"}}, "found 0 groups, expected one"),
        (
            {**JUDGE, "template": {**TEMPLATE, "user": "{question} {answer_a}"}},
            "{answer_b} must stand in it once",
        ),
        (
            {**JUDGE, "template": {**TEMPLATE, "a": "1", "b": "1"}},
            "the words for A, B and a tie must differ, found 1, 1",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(entry, expected):
    assert expected in refusal(entry)
