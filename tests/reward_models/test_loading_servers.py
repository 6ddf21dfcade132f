"""Reward models behind servers, from pool files."""

import pytest
from server_answers import sglang, vllm

from rewardrouter.errors import ConfigError, MissingDependencyError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models import loading
from rewardrouter.reward_models.loading import load_pool
from rewardrouter.testing.loopback import late, serving

PAIRS = [PreferencePair(f"p{n}", f"{n}? ", "yes", "no") for n in range(4)]


def write(folder, text):
    path = folder / "pool.yaml"
    path.write_text(text)
    return path


def test_a_pool_of_servers_is_asked_at_the_same_time(tmp_path, tiny_reward_model):
    (tmp_path / "tokenizer").symlink_to(tiny_reward_model("qwen3"))
    judge = {"choices": [{"message": {"content": "Better: 1"}, "finish_reason": "stop"}]}
    with serving(vllm) as one, serving(sglang) as two, serving(lambda body: judge) as three:
        path = write(
            tmp_path,
            "rms:\n"
            f"  - {{kind: vllm, name: one, url: '{one.url}', model: m, cost: 0.5}}\n"
            f"  - {{kind: sglang, name: two, url: '{two.url}', tokenizer: tokenizer}}\n"
            "  - kind: judge\n"
            "    name: three\n"
            f"    url: {three.url}\n"
            "    model: m\n"
            "    template:\n"
            "      user: '{question} 1. {answer_a} 2. {answer_b}'\n"
            "      verdict: 'Better: (\\d)'\n"
            "      a: '1'\n"
            "      b: '2'\n",
        )
        pool = load_pool(path)
        servers = (one, two, three)
        for server in servers:
            server.always = late(0.05)
        found = pool.judge_each(dict.fromkeys(pool.names, PAIRS))
        assert all(server.seen for server in servers)
    assert pool.names == pool.live == ("one", "two", "three")
    assert all(verdict.winner in ("A", "B") for verdicts in found.values() for verdict in verdicts)
    assert pool.accounts()["one"].price == 0.5
    assert {pool.identity(name)["kind"] for name in pool.names} == {"vllm", "sglang", "judge"}


def test_a_key_is_looked_for_only_where_its_server_is_wanted(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    path = write(
        tmp_path,
        "rms:\n"
        "  - {kind: vllm, name: open, url: 'http://h', model: m}\n"
        "  - {kind: judge, name: closed, url: 'http://h', model: m, key_env: NO_SUCH_KEY}\n",
    )
    assert load_pool(path, ["open"]).names == ("open",)
    with pytest.raises(
        ConfigError, match=r"pool\.yaml: reward model closed: the environment variable NO_SUCH_KEY"
    ):
        load_pool(path)


@pytest.mark.parametrize("kind", ["vllm", "judge"])
def test_without_the_http_client_it_is_named_with_its_command(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    path = write(tmp_path, f"rms: [{{kind: {kind}, name: x, url: 'http://h', model: m}}]\n")
    with pytest.raises(
        MissingDependencyError, match=rf"kind {kind} needs .*httpx2: pip install 'rewardrouter\[http\]'"
    ):
        load_pool(path)
