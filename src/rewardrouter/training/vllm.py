"""Responses sampled by a vLLM server, which is sent the policy's adapter at every step.

The server holds the base model. A step's adapter is written into a folder that both see and loaded under a name with
the step and a digest of its weights: vLLM keeps the states of texts it has read by the adapter's name, and would go
on using those of other weights under the same one. Token ids are sent and token ids come back, so that what was
sampled is what is trained.

The server computes in its own precision and batches, so its probabilities are not bit for bit the trainer's, and a
seed gives the same responses on the same server and load only.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.config.generation import SamplingSettings
from rewardrouter.errors import ConfigError
from rewardrouter.http.background import run
from rewardrouter.progress import log
from rewardrouter.training.draws import keyed_seed
from rewardrouter.training.generation import as_responses, end_tokens
from rewardrouter.training.responses import PolicyPrompt, Response
from rewardrouter.training.vllm_server import VllmError, VllmServer


class VllmGenerator:
    """Samples from a policy with a LoRA adapter through a vLLM server; ``VllmSettings`` says how it is started.

    Parameters
    ----------
    tokenizer
        Of the policy.
    settings
        With ``vllm``.
    seed
        Of all that is drawn.

    Raises
    ------
    ConfigError
        If the settings name no server.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, settings: SamplingSettings, *, seed: int) -> None:
        if settings.vllm is None:
            raise ConfigError("generation.vllm: no server is named; give vllm.url and vllm.adapter_folder")
        self._tokenizer, self._settings, self._seed = tokenizer, settings, seed
        self._server = VllmServer(settings.vllm)
        self._adapters = _Adapters(self._server, Path(settings.vllm.adapter_folder).absolute())

    def generate(
        self, model: PreTrainedModel, prompts: Sequence[PolicyPrompt], *, step: int
    ) -> list[list[Response]]:
        """Return k responses to every prompt, in order; the adapter is sent first.

        Raises
        ------
        ConfigError
            If the policy is no base model with one LoRA adapter.
        VllmError
            If the server cannot be reached, refuses, or returns something else than was asked for.
        """
        ends = end_tokens(self._tokenizer, model)
        vocabulary = int(model.config.get_text_config().vocab_size)
        adapter = self._adapters.send(model, step)

        async def ask(prompt: PolicyPrompt) -> list[dict[str, Any]]:
            request, loads = self._request(adapter, prompt, ends, step), self._adapters.loads
            try:
                return await self._server.complete(request)
            except VllmError as error:
                if not error.refused:
                    raise
                # Another prompt's request may have had it loaded again meanwhile.
                if not await self._adapters.load_if_lost(adapter) and loads == self._adapters.loads:
                    raise
                return await self._server.complete(request)

        async def ask_all() -> list[list[dict[str, Any]]]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(prompt)) for prompt in prompts]
            return [task.result() for task in tasks]

        try:
            answers = run(ask_all())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [
            self._read(choices, prompt, ends, vocabulary)
            for choices, prompt in zip(answers, prompts, strict=True)
        ]

    def close(self) -> None:
        """Take the last adapter away, from the server and from its folder."""
        self._adapters.close()

    def _request(self, adapter: str, prompt: PolicyPrompt, ends: frozenset[int], step: int) -> dict[str, Any]:
        settings = self._settings
        return {
            "model": adapter,
            "prompt": prompt.ids.tolist(),
            "n": settings.responses,
            "max_tokens": settings.max_new_tokens,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "top_k": settings.top_k,
            # What is not sent, the server takes from the checkpoint's generation_config.json.
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "stop_token_ids": sorted(ends),
            "seed": keyed_seed("vllm", self._seed, step, prompt.id),
            "return_token_ids": True,
        }

    def _read(
        self,
        choices: Sequence[dict[str, Any]],
        prompt: PolicyPrompt,
        ends: frozenset[int],
        vocabulary: int,
    ) -> list[Response]:
        wanted, found = self._settings.responses, list[list[int]]()
        if len(choices) != wanted:
            raise self._unusable(prompt, f"{len(choices)} responses instead of {wanted}")
        for choice in choices:
            ids = choice.get("token_ids")
            if ids is None:
                raise self._unusable(
                    prompt,
                    "no token_ids: return_token_ids needs vLLM 0.10.2 or later, and no other server between",
                )
            if not isinstance(ids, list) or not all(type(i) is int and 0 <= i < vocabulary for i in ids):
                raise self._unusable(
                    prompt, "token_ids that the policy does not have: is it the same checkpoint?"
                )
            if not 1 <= len(ids) <= self._settings.max_new_tokens:
                raise self._unusable(prompt, f"{len(ids)} tokens, of {self._settings.max_new_tokens} at most")
            if ids[-1] not in ends and choice.get("finish_reason") != "length":
                raise self._unusable(
                    prompt,
                    f"a response that ends with token {ids[-1]} (finish_reason {choice.get('finish_reason')});"
                    f" the policy ends with {sorted(ends)}: is it the same checkpoint?",
                )
            found.append(ids)
        return as_responses(self._tokenizer, [prompt] * len(found), found, ends)

    def _unusable(self, prompt: PolicyPrompt, what: str) -> VllmError:
        return VllmError(f"{self._server.url}/v1/completions: prompt {prompt.id}: the server returned {what}")


class _Adapters:
    """Brings a policy's adapter to the server, and takes the one before away."""

    def __init__(self, server: VllmServer, folder: Path) -> None:
        self._server, self._folder = server, folder
        self._held: list[str] = []
        """Names of adapters that server or folder may hold, the newest last."""
        self.loads = 0
        """How often the server was made to load one."""

    def send(self, model: PreTrainedModel, step: int) -> str:
        """Return the name under which the server has the adapter as it is now."""
        name = self._written(model, step)
        if name in self._held:
            return name
        self._held.append(name)
        run(self.load_if_lost(name))
        # Not earlier: the server may read the one before again where it has no room for all.
        self._forget(self._held[:-1])
        return name

    async def load_if_lost(self, name: str) -> bool:
        """Have the server load an adapter that it does not have; return whether it had not, as after a restart."""
        lost = name not in await self._server.models()
        if lost:
            await self._server.load_adapter(name, str(self._folder / name))
            self.loads += 1
        return lost

    def close(self) -> None:
        """Take all adapters away."""
        self._forget(list(self._held))

    def _forget(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                run(self._server.unload_adapter(name))
            except VllmError as error:
                log(f"generation.vllm: adapter {name} may be left on the server: {error}")
            shutil.rmtree(self._folder / name, ignore_errors=True)
            self._held.remove(name)

    def _written(self, model: PreTrainedModel, step: int) -> str:
        """Write the adapter where the server sees it; return its name, which is also its folder's."""
        active = _active_adapter(model)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".writing-") as scratch:
                whole: Any = model
                whole.save_pretrained(
                    Path(scratch) / "adapter", selected_adapters=[active], save_embedding_layers=False
                )
                # PEFT writes an adapter of another name than its own default into a folder of that name.
                saved = Path(scratch) / "adapter" / ("" if active == "default" else active)
                for file in saved.iterdir():
                    file.chmod(0o644)  # the server may be another user's
                digest = hashlib.sha256((saved / "adapter_model.safetensors").read_bytes()).hexdigest()
                name = f"rewardrouter-{step}-{digest[:16]}"
                _put(saved, self._folder / name)
        except OSError as error:
            raise ConfigError(
                f"generation.vllm.adapter_folder {self._folder}: the adapter cannot be written there ({error})"
            ) from error
        return name


def _active_adapter(model: PreTrainedModel) -> str:
    """Return the name of the policy's one active LoRA adapter."""
    if find_spec("peft") is not None:
        from peft import PeftModel, PeftType

        if isinstance(model, PeftModel):
            active = model.active_adapters
            if len(active) == 1 and model.peft_config[active[0]].peft_type == PeftType.LORA:
                return str(active[0])
    raise ConfigError(
        "generation.engine vllm: only a LoRA adapter can be sent to a server, and the policy is tuned otherwise;"
        " tune it with LoRA, or set generation.engine transformers"
    )


def _put(saved: Path, target: Path) -> None:
    try:
        saved.rename(target)
    except OSError:
        if not target.is_dir():  # else another process of this run has put the same there
            raise
