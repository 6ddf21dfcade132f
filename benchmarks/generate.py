"""How fast a policy's responses are sampled: static batches, continuous batching, a loop that takes out what ended.

Run ``python benchmarks/generate.py --json -`` (``--help`` for the rest). Three ways to the same distribution of
responses:

* static: ``TransformersGenerator``, one ``model.generate`` per batch, which lasts until its longest response ends;
* continuous: transformers' ``model.generate_batch``, its cache sized for the work (its own sizing takes 60 % of the
  memory of a CPU machine and ten seconds);
* compacting: the sandbox's ``sample_responses``, which takes rows that have ended out of the batch. It speaks the
  sandbox's chat only, on a CPU.

All are measured in one run, in turn, several times; a figure is the median of the response tokens per second, ends
included. The policy is the sandbox's, trained on the spot, unless ``--policy`` names a folder of ``save_pretrained``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from figures import add_json_option, write_figures
from rewardrouter.config.generation import SamplingSettings
from rewardrouter.config.online import PromptSettings
from rewardrouter.config.sandbox import SandboxPolicyConfig, SandboxSamplesConfig
from rewardrouter.pretrained.loading import quiet_transformers
from rewardrouter.sandbox.chat import ChatTokens
from rewardrouter.sandbox.language_model import train_policy
from rewardrouter.sandbox.sampling import sample_responses
from rewardrouter.sandbox.tasks import distinct_problems
from rewardrouter.sandbox.tokenizer import sandbox_tokenizer
from rewardrouter.training.generation import TransformersGenerator, end_tokens
from rewardrouter.training.prompts import lay_out_prompts
from rewardrouter.training.responses import PolicyPrompt

PAGE = 64
"""Tokens of a page of the continuous cache."""

Lengths = list[int]
"""Tokens of each response."""


def main() -> None:
    """Measure and print."""
    options = parse()
    torch.set_num_threads(options.threads)
    model, tokenizer = policy(options)
    problems = distinct_problems("stream", options.prompts, options.seed)
    texts = [problem.prompt for problem in problems]
    rows = [{"id": str(n), "prompt": text} for n, text in enumerate(texts)]
    prompts = list(lay_out_prompts(rows, tokenizer, PromptSettings()).prompts)
    settings = SamplingSettings(
        responses=options.responses,
        temperature=options.temperature,
        max_new_tokens=options.max_new_tokens,
        batch_size=options.batch_size,
    )
    ways = ways_of(model, tokenizer, texts, prompts, settings, options)
    for way in ways.values():
        way(0)  # warms up
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    lengths: dict[str, Lengths] = {name: [] for name in ways}
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for step in range(1, options.repeats + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            found = way(step)
            seconds[name].append(time.perf_counter() - started)
            speeds[name].append(sum(found) / seconds[name][-1])
            lengths[name] += found
    report(options, summary(options, model, seconds, speeds, lengths))


def ways_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    prompts: list[PolicyPrompt],
    settings: SamplingSettings,
    options: argparse.Namespace,
) -> dict[str, Callable[[int], Lengths]]:
    """Return what samples a step's responses, by name."""
    generator = TransformersGenerator(tokenizer, settings, seed=options.seed)

    def static(step: int) -> Lengths:
        groups = generator.generate(model, prompts, step=step)
        return [len(response.ids) for group in groups for response in group]

    def continuous(step: int) -> Lengths:
        torch.manual_seed(step)
        return continuously(model, tokenizer, prompts, settings)

    def compacting(step: int) -> Lengths:
        config = SandboxSamplesConfig(responses=settings.responses, temperature=settings.temperature)
        groups = sample_responses(model, tokenizer, texts, config, step)
        tokens = ChatTokens(tokenizer)
        return [len(ids) for group in groups for ids in tokens.responses(group)]

    ways: dict[str, Callable[[int], Lengths]] = {"static": static, "continuous": continuous}
    speaks = "<|assistant|>" in tokenizer.get_vocab()
    return ways | ({"compacting": compacting} if speaks and model.device.type == "cpu" else {})


def continuously(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[PolicyPrompt],
    settings: SamplingSettings,
) -> Lengths:
    """Sample with continuous batching."""
    ids = [prompt.ids.tolist() for prompt in prompts for _ in range(settings.responses)]
    ends = sorted(end_tokens(tokenizer, model))
    pages = -(-(max(map(len, ids)) + settings.max_new_tokens) // PAGE)
    found = model.generate_batch(
        ids,
        generation_config=GenerationConfig(
            do_sample=True,
            temperature=settings.temperature,
            top_k=0,
            max_new_tokens=settings.max_new_tokens,
            eos_token_id=ends[0] if len(ends) == 1 else ends,
            pad_token_id=ends[0],
        ),
        continuous_batching_config=transformers.ContinuousBatchingConfig(
            page_size=PAGE,
            num_blocks=min(len(ids), settings.batch_size) * (pages + 1),
            max_batch_tokens=2048,
        ),
    )
    assert len(found) == len(ids)
    return [len(output.generated_tokens) for output in found.values()]


def policy(options: argparse.Namespace) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the policy."""
    if options.policy is None:
        tokenizer = sandbox_tokenizer()
        return train_policy(
            SandboxPolicyConfig(steps=options.steps), tokenizer, options.seed
        ).eval(), tokenizer
    with quiet_transformers():
        model = AutoModelForCausalLM.from_pretrained(options.policy, dtype=options.dtype).eval()
        return model.to(options.device), AutoTokenizer.from_pretrained(options.policy)


def summary(
    options: argparse.Namespace,
    model: PreTrainedModel,
    seconds: dict[str, list[float]],
    speeds: dict[str, list[float]],
    lengths: dict[str, Lengths],
) -> dict[str, object]:
    """Return the figures."""
    speed = {name: statistics.median(found) for name, found in speeds.items()}
    return {
        "policy": options.policy.name if options.policy else f"sandbox, {options.steps} steps",
        "parameters": model.num_parameters(),
        "device": str(model.device),
        "dtype": str(model.dtype),
        "threads": options.threads,
        "transformers": transformers.__version__,
        "responses": options.prompts * options.responses,
        "batch_size": options.batch_size,
        "temperature": options.temperature,
        "max_new_tokens": options.max_new_tokens,
        "repeats": options.repeats,
        "mean_tokens": {name: round(statistics.mean(found), 2) for name, found in lengths.items()},
        "longest_tokens": {name: max(found) for name, found in lengths.items()},
        "tokens_per_second": {name: round(value, 1) for name, value in speed.items()},
        "speedup": {name: round(value / speed["static"], 3) for name, value in speed.items()},
        "seconds": {name: [round(value, 4) for value in found] for name, found in seconds.items()},
    }


def report(options: argparse.Namespace, figures: dict[str, object]) -> None:
    """Write the figures, and a line per way to standard output where it is free."""
    if not write_figures(figures, options.json):
        for name, speed in figures["tokens_per_second"].items():
            mean, factor = figures["mean_tokens"][name], figures["speedup"][name]
            print(f"{name:13} {speed:11,.0f} tokens/s {factor:7.3f} x   {mean:.1f} tokens per response")


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", type=Path, help="folder of a causal LM; the sandbox's where not given")
    parser.add_argument(
        "--steps", type=int, default=1400, help="training steps of the sandbox's (default 1400)"
    )
    parser.add_argument("--prompts", type=int, default=16, help="prompts of a step (default 16)")
    parser.add_argument("--responses", type=int, default=6, help="responses to each (default 6)")
    parser.add_argument("--batch-size", type=int, default=96, help="rows of a static batch (default 96)")
    parser.add_argument("--max-new-tokens", type=int, default=40, help="tokens of a response (default 40)")
    parser.add_argument("--temperature", type=float, default=0.8, help="of sampling (default 0.8)")
    parser.add_argument("--device", default="cpu", help="of a policy given (default cpu)")
    parser.add_argument("--dtype", default="float32", help="of a policy given (default float32)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--repeats", type=int, default=9, help="measurements of each way (default 9)")
    parser.add_argument("--seed", type=int, default=0, help="of prompts and policy (default 0)")
    add_json_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
