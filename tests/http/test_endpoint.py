"""One address: what is sent again and when, the circuit breaker, and the key that nobody sees."""

import asyncio
import email.utils
import logging
import time

import pytest

from rewardrouter.config.servers import ServerConfig
from rewardrouter.errors import ConfigError
from rewardrouter.http import background
from rewardrouter.http.background import run
from rewardrouter.http.endpoint import BadAnswerError, Endpoint, RequestError
from rewardrouter.testing.loopback import changed, hangs, late, says, serving, status

QUICK = {"first_wait": 0.01, "timeout": 2.0}


def echo(body):
    return {"said": body}


def endpoint(url, **settings):
    return Endpoint(ServerConfig(name="rm", url=url, **{**QUICK, **settings}), "/ask")


def ask(asked, body=None, read=lambda answer: answer):
    return run(asked.ask({} if body is None else body, read))


def refused(asked, **more):
    with pytest.raises(RequestError) as error:
        ask(asked, **more)
    return error.value


def test_an_answer_comes_with_its_time():
    with serving(echo) as server:
        server.always = late(0.1)
        answer = ask(endpoint(server.url), {"n": 1})
    assert answer.value == {"said": {"n": 1}}
    assert 0.1 <= answer.seconds < 1
    assert server.seen[0].path == "/ask"


def test_without_a_body_it_is_fetched_and_an_answer_that_is_no_json_can_be_taken_as_it_is():
    with serving(lambda body: [body]) as server:
        settings = ServerConfig(name="rm", url=server.url, **QUICK)
        plain = Endpoint(settings, "/models", parse=bytes)
        assert run(plain.ask(None, bytes)).value == b"[null]"
        server.faults.append(says(b"Success: loaded"))
        assert run(plain.ask(None, bytes)).value == b"Success: loaded"
        assert [request.raw for request in server.seen] == [b"", b""]


def test_its_owner_may_know_better_what_to_do_about_a_status():
    with serving(echo) as server:
        settings = ServerConfig(name="rm", url=server.url, **QUICK)
        asked = Endpoint(settings, "/ask", hints={404: "load it first"})
        server.faults.extend([status(404, "no"), status(401, "no")])
        assert str(refused(asked)).endswith("HTTP 404 (no); load it first")
        assert str(refused(asked)).endswith("HTTP 401 (no); name the variable with its key in key_env")


@pytest.mark.parametrize(
    ("code", "tries"), [(500, 3), (502, 3), (599, 3), (429, 3), (400, 1), (404, 1), (301, 1)]
)
def test_only_what_may_pass_is_sent_again(code, tries):
    with serving(echo) as server:
        server.always = status(code, "no")
        error = refused(endpoint(server.url, tries=3))
        assert len(server.seen) == tries
    assert f"{server.url}/ask: HTTP {code} (no)" in str(error)
    assert error.served == (code == 400)
    assert error.seconds > 0


def test_waits_double_and_are_jittered():
    with serving(echo) as server:
        server.faults.extend([status(500)] * 3)
        start = time.perf_counter()
        ask(endpoint(server.url, first_wait=0.1))
        taken = time.perf_counter() - start
    assert 0.35 < taken < 1.05 + 0.5  # (0.1 + 0.2 + 0.4) x 0.5 to 1.5


def test_no_two_that_fail_together_come_back_together(monkeypatch):
    waits = []

    async def noted(seconds):
        waits.append(seconds)

    with serving(echo) as server:
        server.always = status(500)
        asked = endpoint(server.url, tries=9, first_wait=4)
        monkeypatch.setattr("rewardrouter.http.endpoint.asyncio.sleep", noted)
        refused(asked)
        refused(asked)
    first, second = waits[:8], waits[8:]
    assert all(one != other for one, other in zip(first, second, strict=True))
    for attempt, wait in enumerate(first):
        usual = min(30, 4 * 2**attempt)
        assert 0.5 * usual <= wait <= 1.5 * usual


@pytest.mark.parametrize("code", [429, 503])
def test_a_wait_that_the_server_asks_for_is_kept(code):
    with serving(echo) as server:
        server.faults.append(status(code, retry_after="0.4"))
        start = time.perf_counter()
        ask(endpoint(server.url))
        assert 0.4 <= time.perf_counter() - start < 1.5
        date = email.utils.formatdate(time.time() + 2, usegmt=True)  # whole seconds: 1 to 2 from now
        server.faults.append(status(code, retry_after=date))
        start = time.perf_counter()
        ask(endpoint(server.url, timeout=5))
        assert 0.9 <= time.perf_counter() - start < 3


def test_a_wait_longer_than_the_timeout_is_a_failure_at_once():
    with serving(echo) as server:
        server.always = status(429, "come back tomorrow", retry_after="86400")
        error = refused(endpoint(server.url))
        assert len(server.seen) == 1
    assert "HTTP 429 (come back tomorrow); asks for a wait of 86400 s, longer than the timeout" in str(error)


@pytest.mark.parametrize("nonsense", ["soon", "nan", "-5", ""])
def test_a_wait_that_is_no_time_is_not_heeded(nonsense):
    with serving(echo) as server:
        server.faults.append(status(429, retry_after=nonsense))
        ask(endpoint(server.url))
    assert len(server.seen) == 2


def test_the_timeout_is_of_the_whole_answer():
    with serving(echo) as server:
        server.always = hangs(1)
        start = time.perf_counter()
        error = refused(endpoint(server.url, timeout=0.2, tries=2))
        assert time.perf_counter() - start < 0.9
    assert "no whole answer within 0.2 s, 2 times in a row" in str(error)


def test_an_answer_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("rewardrouter.http.endpoint._LONGEST_ANSWER", 2**20)
    with serving(echo) as server:
        server.always = says(b" " * (2**20 + 1))
        assert "unreadable answer (more than 1 MiB)" in str(refused(endpoint(server.url)))
        assert len(server.seen) == 1


def test_what_came_back_is_told_from_what_did_not():
    with serving(echo) as server:
        asked = endpoint(server.url, tries=1, open_after=3)
        server.faults.extend([says(b"no JSON"), status(500), status(400), status(500), hangs(1), status(500)])
        assert [refused(asked).answered for _ in range(3)] == [True, False, False]
        asked = endpoint(server.url, tries=1, open_after=3, timeout=0.1)
        assert [refused(asked).answered for _ in range(4)] == [False] * 4
        assert len(server.seen) == 6  # the last was not made


def test_an_answer_of_another_form_is_shown():
    def read(answer):
        raise BadAnswerError("2 results for 3 texts")

    with serving(echo) as server:
        error = refused(endpoint(server.url), body={"n": "u"}, read=read)
    assert str(error) == f'{server.url}/ask: 2 results for 3 texts: {{"said": {{"n": "u"}}}}'
    assert error.served
    assert error.repeats


def test_what_servers_say_of_an_error_is_taken_out_of_its_wrapping():
    bodies = {
        '{"error": {"message": "too long", "code": 400}}': "too long",
        '{"object": "error", "error": "too long"}': "too long",
        '{"detail": [{"msg": "field required"}]}': "[{'msg': 'field required'}]",
        "<b>Bad\n gateway</b>": "<b>Bad gateway</b>",
        "[1]": "[1]",
        "": "empty",
        "x" * 500: "x" * 197 + "...",
    }
    with serving(echo) as server:
        for body, said in bodies.items():
            server.always = status(400, body)
            assert str(refused(endpoint(server.url))) == f"{server.url}/ask: HTTP 400 ({said})"


class TestBreaker:
    def test_a_server_that_fails_again_and_again_is_left_alone_and_then_probed(self):
        with serving(echo) as server:
            server.always = status(500, "out of order")
            asked = endpoint(server.url, tries=2, open_after=2, probe_after=0.8)
            refused(asked)
            refused(asked)
            assert len(server.seen) == 4
            start = time.perf_counter()
            error = refused(asked)
            assert time.perf_counter() - start < 0.5
            assert len(server.seen) == 4
            assert f"{server.url}/ask: not asked: 2 requests in a row failed; asked again in 0." in str(error)
            assert "(last: HTTP 500 (out of order), 2 times in a row)" in str(error)
            time.sleep(0.8)
            assert "HTTP 500" in str(refused(asked))
            assert len(server.seen) == 5  # the probe is one try
            assert "not asked: 3 requests" in str(refused(asked))
            server.always = None
            time.sleep(0.8)
            ask(asked)
            ask(asked)
            assert len(server.seen) == 7

    def test_those_that_come_while_it_is_probed_wait_for_the_outcome(self):
        async def many(asked):
            return await asyncio.gather(
                *(asked.ask({"n": n}, lambda answer: answer["said"]["n"]) for n in range(8)),
                return_exceptions=True,
            )

        with serving(echo) as server:
            asked = endpoint(server.url, tries=1, open_after=1, probe_after=0.2, concurrency=8)
            server.faults.append(status(500))
            refused(asked)
            time.sleep(0.2)
            server.faults.append(late(0.2))
            assert [answer.value for answer in run(many(asked))] == list(range(8))
            server.faults.extend([status(500)] * 9)
            refused(asked)
            time.sleep(0.2)
            errors = [str(error) for error in run(many(asked))]
            assert sum("not asked" in error for error in errors) == 7
            assert sum(error == f"{server.url}/ask: HTTP 500 (the engine is gone)" for error in errors) == 1

    def test_a_server_that_is_killed_and_comes_back(self):
        with serving(echo) as server:
            port = server.port
            asked = endpoint(server.url, tries=1, open_after=2, probe_after=0.3)
            ask(asked)
            server.kill()
            for _ in range(2):
                assert "connection" in str(refused(asked))
            assert "not asked" in str(refused(asked))
        with serving(echo, port) as server:
            assert "not asked" in str(refused(asked))
            time.sleep(0.3)
            assert ask(asked, {"n": 2}).value == {"said": {"n": 2}}
            assert len(server.seen) == 1

    def test_a_request_that_the_server_merely_refuses_does_not_count(self):
        with serving(echo) as server:
            server.always = status(400)
            asked = endpoint(server.url, open_after=1)
            for _ in range(3):
                assert "HTTP 400" in str(refused(asked))

    def test_a_probe_that_is_broken_off_leaves_room_for_another(self):
        async def broken_off(asked):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asked.ask({}, lambda answer: answer)

        with serving(echo) as server:
            asked = endpoint(server.url, tries=1, open_after=1, probe_after=0.1)
            server.faults.extend([status(500), late(0.5)])
            refused(asked)
            time.sleep(0.1)
            run(broken_off(asked))
            ask(asked)


KEY = 'sword"fi/sh\\1234'


class TestKey:
    def test_it_comes_from_the_environment_and_is_sent(self, monkeypatch):
        monkeypatch.setenv("RM_KEY", f" {KEY}\n")
        with serving(echo) as server:
            ask(endpoint(server.url, key_env="RM_KEY"))
        assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"

    def test_it_is_never_shown_whatever_the_server_does(self, monkeypatch, caplog):
        monkeypatch.setenv("RM_KEY", KEY)
        caplog.set_level(logging.DEBUG)

        def repeats(handler, due):
            said = handler.headers["Authorization"].removeprefix("Bearer ")
            handler.reply(f"no access for {said} (Bearer {said}), nor for sk-abc123".encode(), 401)

        def repeats_json(answer):
            return {"error": KEY, "and": [f"Bearer {KEY}"]}

        def read(answer):
            raise BadAnswerError(f"{answer['error']} is no score")

        with serving(echo) as server:
            asked = endpoint(server.url, key_env="RM_KEY")
            server.always = repeats
            told = str(refused(asked))
            assert told.endswith("nor for sk-***); is the key in RM_KEY right?")
            server.always = changed(repeats_json)
            shown = [told, str(refused(asked, read=read)), repr(asked), repr(vars(asked)), caplog.text]
        for text in shown:
            assert "sword" not in text
            assert "abc123" not in text
        assert "*** is no score" in shown[1]

    def test_a_key_that_is_cut_in_half_by_the_excerpt_is_not_shown(self, monkeypatch):
        monkeypatch.setenv("RM_KEY", KEY)
        with serving(echo) as server:
            server.always = status(400, "x" * 190 + KEY)
            assert "sword" not in str(refused(endpoint(server.url, key_env="RM_KEY")))

    def test_a_variable_that_is_not_set_or_holds_no_key_is_the_users_mistake(self, monkeypatch):
        monkeypatch.delenv("RM_KEY", raising=False)
        with pytest.raises(
            ConfigError, match=r"reward model rm: the environment variable RM_KEY \(key_env\) is not"
        ):
            endpoint("http://h", key_env="RM_KEY")
        for bad in ("two words", "schlüssel"):
            monkeypatch.setenv("RM_KEY", bad)
            with pytest.raises(ConfigError, match="RM_KEY") as error:
                endpoint("http://h", key_env="RM_KEY")
            assert bad not in str(error.value)

    def test_where_a_server_wants_one_and_none_is_named(self):
        with serving(echo) as server:
            server.always = status(401, "no")
            assert "name the variable with its key in key_env" in str(refused(endpoint(server.url)))


def test_an_endpoint_works_in_another_loop_than_before(monkeypatch):
    """As in a forked process, which has neither the thread nor the loop."""
    with serving(echo) as server:
        asked = endpoint(server.url, concurrency=1)
        server.always = late(0.05)

        async def twice():
            return await asyncio.gather(*(asked.ask({"n": n}, lambda answer: answer) for n in range(2)))

        run(twice())
        monkeypatch.setattr(background, "_running", None)
        assert [answer.value["said"]["n"] for answer in run(twice())] == [0, 1]
