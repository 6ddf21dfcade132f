"""Responses sampled by a server that speaks vLLM's protocol, over real sockets, with a real policy behind it."""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import asked, ids_of, load, with_adapter
from peft import PeftModel
from tiny_checkpoints import write_llama
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from vllm_like import VllmLike, sample, serving

from rewardrouter.config.generation import SamplingSettings
from rewardrouter.errors import ConfigError, MissingDependencyError
from rewardrouter.testing.loopback import Fault, changed, late, says, status
from rewardrouter.training import engines, vllm_server
from rewardrouter.training.vllm import VllmGenerator
from rewardrouter.training.vllm_server import VllmError

ENDS = list(range(1, 60))
FAILS = status(500, '{"error": {"message": "EngineCore encountered an issue.", "code": 500}}')


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    model, tokenizer = load(write_llama(tmp_path_factory.mktemp("llama"), template=True))
    model.generation_config.eos_token_id = ENDS
    return model, tokenizer


@pytest.fixture
def tokenizer(base: tuple[PreTrainedModel, PreTrainedTokenizerBase]) -> PreTrainedTokenizerBase:
    return base[1]


@pytest.fixture
def server(base: tuple[PreTrainedModel, PreTrainedTokenizerBase]) -> Iterator[VllmLike]:
    with serving(copy.deepcopy(base[0])) as found:
        yield found


@pytest.fixture
def policy(base: tuple[PreTrainedModel, PreTrainedTokenizerBase]) -> PeftModel:
    return with_adapter(copy.deepcopy(base[0]), matrices=["q_proj", "v_proj"], strength=0.5)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_server, "_FIRST_WAIT", 0.01)
    monkeypatch.delenv("VLLM_API_KEY", raising=False)


def generator(
    tokenizer: PreTrainedTokenizerBase, url: str, folder: Path, *, seed: int = 0, **vllm: Any
) -> VllmGenerator:
    settings = {
        "responses": 3,
        "max_new_tokens": 10,
        "engine": "vllm",
        "vllm": {"url": url, "adapter_folder": str(folder), "timeout": 20, "patience": 5, **vllm},
    }
    return VllmGenerator(tokenizer, SamplingSettings.model_validate(settings), seed=seed)


def train(policy: PeftModel, seed: int) -> None:
    """Change the adapter."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_" in name:
                parameter.add_(torch.randn_like(parameter) * 0.5)


def test_the_server_samples_with_the_adapter_as_it_is_at_every_step(
    server: VllmLike, tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path
) -> None:
    prompts, found = asked(tokenizer), []
    sampler = generator(tokenizer, server.url, tmp_path)
    for step in range(3):
        groups = sampler.generate(policy, prompts, step=step)
        requests = {tuple(body["prompt"]): body for body in server.asked("/v1/completions")[-len(prompts) :]}
        for prompt, group in zip(prompts, groups, strict=True):
            wanted = sample(policy, requests[tuple(prompt.ids.tolist())])
            assert [response.ids.tolist() for response in group] == wanted
            for response in group:
                assert response.ids.dtype == np.int32
                assert response.finished == (response.ids[-1] in [1, *ENDS])
                assert response.text == tokenizer.decode(response.ids, skip_special_tokens=True)
        found.append(ids_of(groups))
        assert len(server.adapters) == 1
        assert [f"rewardrouter-{step}-" in name for name in server.adapters] == [True]
        assert sorted(path.name for path in tmp_path.iterdir()) == list(server.adapters)
        train(policy, step)
    assert found[0] != found[1] != found[2]


def test_the_text_changes_with_the_adapter_alone(
    server: VllmLike, tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path
) -> None:
    prompts = asked(tokenizer)
    before = generator(tokenizer, server.url, tmp_path).generate(policy, prompts, step=0)
    again = generator(tokenizer, server.url, tmp_path).generate(policy, prompts, step=0)
    assert ids_of(again) == ids_of(before)
    assert len(server.asked("/v1/load_lora_adapter")) == 1  # the same weights have the same name
    train(policy, 0)
    after = generator(tokenizer, server.url, tmp_path).generate(policy, prompts, step=0)
    assert [r.text for g in after for r in g] != [r.text for g in before for r in g]
    assert len(server.adapters) == 2  # and others another, so that no state of the first is used


def test_what_is_asked(
    server: VllmLike, tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path
) -> None:
    prompts = asked(tokenizer)
    for seed, step in ((0, 0), (1, 0), (0, 1)):
        generator(tokenizer, server.url, tmp_path, seed=seed).generate(policy, prompts, step=step)
    requests = server.asked("/v1/completions")
    assert len({body["seed"] for body in requests}) == 12
    for body in requests:
        assert (body["n"], body["max_tokens"], body["temperature"], body["top_p"]) == (3, 10, 0.8, 1.0)
        assert (body["top_k"], body["min_p"], body["repetition_penalty"]) == (0, 0.0, 1.0)
        assert set(body["stop_token_ids"]) == {tokenizer.eos_token_id, *ENDS}


def test_no_more_prompts_at_once_than_allowed(
    server: VllmLike, tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path
) -> None:
    prompts = asked(tokenizer, [f"What is {n}?" for n in range(8)])
    server.faults.extend([late(0.1)] * 8)
    generator(tokenizer, server.url, tmp_path, concurrency=3).generate(policy, prompts, step=0)
    assert server.most == 3


def test_errors_of_the_server_are_tried_again(
    server: VllmLike, tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path
) -> None:
    prompts = asked(tokenizer)[:1]
    sampler = generator(tokenizer, server.url, tmp_path)
    wanted = ids_of(sampler.generate(policy, prompts, step=0))
    server.faults.extend([FAILS] * 2)
    assert ids_of(sampler.generate(policy, prompts, step=0)) == wanted
    server.faults.extend([FAILS] * 100)
    with pytest.raises(VllmError) as caught:
        generator(tokenizer, server.url, tmp_path, patience=0.1).generate(policy, prompts, step=0)
    said = f"{server.url}/v1/completions: HTTP 500 (EngineCore encountered an issue.), waited for 0.1 s"
    assert str(caught.value) == said


def test_time_outs_are_tried_again(
    server: VllmLike, tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path
) -> None:
    prompts = asked(tokenizer)[:1]
    wanted = ids_of(generator(tokenizer, server.url, tmp_path).generate(policy, prompts, step=0))
    hasty = generator(tokenizer, server.url, tmp_path, timeout=2.0, patience=2.0)
    server.faults.append(late(3.0))
    assert ids_of(hasty.generate(policy, prompts, step=0)) == wanted
    server.faults.extend([late(3.0)] * 9)
    with pytest.raises(VllmError, match=r"/v1/completions: no whole answer within 2 s, waited for 2 s"):
        hasty.generate(policy, prompts, step=0)


def test_an_adapter_whose_loading_got_no_answer_is_not_loaded_twice(
    server: VllmLike, tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path
) -> None:
    server.faulty = "/v1/load_lora_adapter"
    server.faults.append(late(3.0))
    found = generator(tokenizer, server.url, tmp_path, timeout=2.0).generate(policy, asked(tokenizer), step=0)
    assert len(found) == 4
    assert len(server.adapters) == 1


@pytest.mark.parametrize("down", [False, True])
def test_at_the_end_nothing_is_left(
    server: VllmLike,
    tokenizer: PreTrainedTokenizerBase,
    policy: PeftModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    down: bool,
) -> None:
    sampler = generator(tokenizer, server.url, tmp_path)
    sampler.close()  # nothing was sent
    sampler.generate(policy, asked(tokenizer)[:1], step=0)
    assert len(server.adapters) == len(list(tmp_path.iterdir())) == 1
    if down:
        server.faulty = "/v1/unload_lora_adapter"
        server.faults.append(FAILS)
    sampler.close()
    assert ("may be left on the server: " in capsys.readouterr().err) == down
    assert not server.adapters
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_restarted_in_a_step_gets_the_adapter_again(
    server: VllmLike,
    base: tuple[PreTrainedModel, PreTrainedTokenizerBase],
    policy: PeftModel,
    tmp_path: Path,
) -> None:
    sampler, prompts = generator(base[1], server.url, tmp_path), asked(base[1])
    wanted = ids_of(sampler.generate(policy, prompts, step=0))
    server.adapters.clear()  # as a new process has it
    server.wrapped, server.base = None, copy.deepcopy(base[0])
    assert ids_of(sampler.generate(policy, prompts, step=0)) == wanted


def test_two_processes_of_a_run_share_the_adapter(
    server: VllmLike, tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path
) -> None:
    prompts = asked(tokenizer)
    first, second = (generator(tokenizer, server.url, tmp_path) for _ in range(2))
    for step in range(3):
        found = [ids_of(sampler.generate(policy, prompts, step=step)) for sampler in (first, second)]
        assert found[0] == found[1]
        assert len(server.adapters) == 1
        assert len(list(tmp_path.iterdir())) == 1
        train(policy, step)


def of_choices(change: Callable[[list[dict[str, Any]]], None]) -> Fault:
    """Change the choices of an answer, in place."""
    return changed(lambda answer: change(answer["choices"]))


def cut(choices: list[dict[str, Any]]) -> None:
    choices.pop()


def without_ids(choices: list[dict[str, Any]]) -> None:
    for choice in choices:
        choice["token_ids"] = None


def too_long(choices: list[dict[str, Any]]) -> None:
    choices[0].update(token_ids=[100] * 11, finish_reason="length")


def empty(choices: list[dict[str, Any]]) -> None:
    choices[0].update(token_ids=[], finish_reason="length")


def unknown_ids(choices: list[dict[str, Any]]) -> None:
    choices[0].update(token_ids=[100_000], finish_reason="length")


def other_end(choices: list[dict[str, Any]]) -> None:
    choices[0].update(token_ids=[100, 200], finish_reason="stop")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (of_choices(cut), "2 responses instead of 3"),
        (of_choices(without_ids), r"no token_ids: return_token_ids needs vLLM 0\.10\.2"),
        (of_choices(too_long), "11 tokens, of 10 at most"),
        (of_choices(empty), "0 tokens, of 10 at most"),
        (of_choices(unknown_ids), "that the policy does not have"),
        (of_choices(other_end), "ends with token 200"),
        (says(b"<html>hello</html>"), "the answer is no JSON: <html>hello"),
        (says(b'{"detail": "ok"}'), "the answer has no choices"),
        (status(422, '{"error": {"message": "no such field"}}'), r"HTTP 422 \(no such field\)"),
    ],
)
def test_answers_that_cannot_be_used(
    server: VllmLike,
    tokenizer: PreTrainedTokenizerBase,
    policy: PeftModel,
    tmp_path: Path,
    fault: Any,
    said: str,
) -> None:
    server.faults.append(fault)
    with pytest.raises(VllmError, match=said) as caught:
        generator(tokenizer, server.url, tmp_path).generate(policy, asked(tokenizer)[:1], step=0)
    assert f"{server.url}/v1/completions" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(server.asked("/v1/completions")) == 1  # asking again would not help


def test_no_server(
    tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        VllmError, match=r"/v1/models: no connection \(.*\); is the server running\?, waited for 0.2 s"
    ):
        generator(tokenizer, url, tmp_path, patience=0.2).generate(policy, asked(tokenizer), step=0)
    assert capsys.readouterr().err.count("is the server running?; asked again for another 0 s") == 1


def test_a_server_that_takes_no_adapters(
    base: tuple[PreTrainedModel, PreTrainedTokenizerBase], policy: PeftModel, tmp_path: Path
) -> None:
    with serving(base[0], updates=False) as closed, pytest.raises(VllmError) as caught:
        generator(base[1], closed.url, tmp_path).generate(policy, asked(base[1]), step=0)
    assert "/v1/load_lora_adapter: HTTP 404" in str(caught.value)
    assert "--enable-lora" in str(caught.value)
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True" in str(caught.value)


def test_the_key_comes_from_the_environment(
    base: tuple[PreTrainedModel, PreTrainedTokenizerBase],
    policy: PeftModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(copy.deepcopy(base[0]), key="hush") as closed:
        sampler = generator(base[1], closed.url, tmp_path)
        with pytest.raises(VllmError, match=r"HTTP 401 .* set VLLM_API_KEY"):
            sampler.generate(policy, asked(base[1]), step=0)
        monkeypatch.setenv("VLLM_API_KEY", "hush")
        sampler = generator(base[1], closed.url, tmp_path)
        assert len(sampler.generate(policy, asked(base[1]), step=0)) == 4


def test_a_server_that_was_restarted_gets_the_adapter_again(
    base: tuple[PreTrainedModel, PreTrainedTokenizerBase], policy: PeftModel, tmp_path: Path
) -> None:
    with serving(copy.deepcopy(base[0])) as server:
        sampler = generator(base[1], server.url, tmp_path)
        sampler.generate(policy, asked(base[1]), step=0)
        server.adapters.clear()
        train(policy, 0)
        sampler.generate(policy, asked(base[1]), step=1)
        assert len(server.adapters) == 1
        assert [path.name for path in tmp_path.iterdir()] == list(server.adapters)


def test_a_policy_tuned_otherwise_cannot_be_sent(
    server: VllmLike, base: tuple[PreTrainedModel, PreTrainedTokenizerBase], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="only a LoRA adapter can be sent"):
        generator(base[1], server.url, tmp_path).generate(base[0], asked(base[1]), step=0)
    assert server.seen == []


def test_a_folder_that_cannot_be_written(
    server: VllmLike, tokenizer: PreTrainedTokenizerBase, policy: PeftModel, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(ConfigError, match=r"adapter_folder .*taken: the adapter cannot be written"):
        generator(tokenizer, server.url, taken).generate(policy, asked(tokenizer), step=0)


@pytest.mark.parametrize("active", ["default", "other"])
def test_of_several_adapters_the_active_one_alone_is_sent(
    server: VllmLike, base: tuple[PreTrainedModel, PreTrainedTokenizerBase], tmp_path: Path, active: str
) -> None:
    policy = with_adapter(copy.deepcopy(base[0]), matrices=["q_proj"], strength=0.5)
    policy.add_adapter("other", policy.peft_config["default"])
    policy.set_adapter(active)
    sampler = generator(base[1], server.url, tmp_path)
    groups = sampler.generate(policy, asked(base[1])[:1], step=0)
    (request,) = server.asked("/v1/completions")
    assert ids_of(groups) == [sample(policy, request)]
    files = {path.name for folder in tmp_path.iterdir() for path in folder.iterdir()}
    assert files - {"README.md"} == {"adapter_config.json", "adapter_model.safetensors"}
    (weights,) = tmp_path.glob("*/adapter_model.safetensors")
    assert weights.stat().st_mode & 0o444 == 0o444  # the server may be another user's


def test_settings_without_a_server(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ConfigError, match=r"vllm\.url"):
        VllmGenerator(tokenizer, SamplingSettings(), seed=0)


def test_without_its_client_the_package_is_named(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"engine": "vllm", "vllm": {"url": "http://127.0.0.1:1", "adapter_folder": str(tmp_path)}}
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"httpx2: pip install 'rewardrouter\[http\]'"):
        engines.response_generator(tokenizer, SamplingSettings.model_validate(settings), seed=0)
    assert engines.response_generator(tokenizer, SamplingSettings(), seed=0)


@pytest.mark.parametrize(
    "answer",
    ['{"error": {"message": "Bearer hush is not known"}}', "<html>hush, said the proxy</html>"],
)
def test_no_error_repeats_the_key(
    server: VllmLike,
    tokenizer: PreTrainedTokenizerBase,
    policy: PeftModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "hush")
    for code in (200, 400, 503):
        server.faults.extend([status(code, answer)] * 8)
        with pytest.raises(VllmError) as caught:
            generator(tokenizer, server.url, tmp_path, patience=0).generate(
                policy, asked(tokenizer)[:1], step=0
            )
        server.faults.clear()
        assert "hush" not in str(caught.value)
        assert "***" in str(caught.value)
