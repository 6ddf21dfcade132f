"""Build the sandbox: policy, samples, pairs, reward models, and what was measured of them, each once.

What is built lies in a folder named by a digest of the settings::

    FOLDER/<digest>/policy/                     the policy, as save_pretrained writes it
                    samples/PART-0.jsonl ...    what it answered
                    pairs/router.jsonl, stream.jsonl, evaluation.jsonl
                    prompts/stream.jsonl, evaluation.jsonl
                    rms/NAME/                   the reward models, as save_pretrained writes them
                    measured/NAME.json          which pairs of the evaluation each got right
                    pool.yaml  README.md  sandbox.json

Every part appears finished or not at all; a build that was interrupted goes on with what is missing. Every model is
trained by one thread, so that the same settings give the same models whatever the number of processes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from rewardrouter.config.sandbox import SandboxConfig
from rewardrouter.errors import DataError
from rewardrouter.files import write_text_atomically
from rewardrouter.locks import held
from rewardrouter.offline.cache import default_folder
from rewardrouter.pretrained.loading import quiet_transformers
from rewardrouter.processes import run_jobs
from rewardrouter.progress import log, progress
from rewardrouter.sandbox.card import write_card
from rewardrouter.sandbox.language_model import train_policy
from rewardrouter.sandbox.layout import PAIR_PARTS, PROMPT_PARTS, Sandbox
from rewardrouter.sandbox.measuring import measure
from rewardrouter.sandbox.problems import Problem
from rewardrouter.sandbox.reward_models import train_reward_model
from rewardrouter.sandbox.samples import (
    Sample,
    pair_rows,
    read_samples,
    sample_of,
    write_lines,
    write_samples,
)
from rewardrouter.sandbox.sampling import sample_responses
from rewardrouter.sandbox.specialities import SPECIALITIES, Speciality
from rewardrouter.sandbox.tasks import Part, distinct_problems
from rewardrouter.sandbox.tokenizer import sandbox_tokenizer

FORMAT = "rewardrouter sandbox 1"
"""To be raised when the same settings would give another sandbox."""

_CHUNK = 2_000
"""Problems whose responses one job samples."""


def build_sandbox(config: SandboxConfig, folder: Path | None = None, *, processes: int = 2) -> Sandbox:
    """Return the sandbox of these settings; what is missing of it is built.

    Parameters
    ----------
    config
        The settings.
    folder
        Where sandboxes lie, each under its digest; by default in the user's cache.
    processes
        How many to use; the result does not depend on it.

    Raises
    ------
    DataError
        If the policy is so good or so bad that there is nothing to train a reward model on.
    """
    parent = folder if folder is not None else default_folder() / "sandbox"
    parent.mkdir(parents=True, exist_ok=True)
    sandbox = Sandbox(parent / digest_of(config))
    with held(parent / f".{sandbox.folder.name}.lock", waiting=_waited_for):
        if not sandbox.finished:
            sandbox.folder.mkdir(exist_ok=True)
            _build(config, sandbox, processes)
    return sandbox


def using_verdicts(sandbox: Sandbox) -> contextlib.AbstractContextManager[None]:
    """Have the verdicts that lie with a sandbox to oneself, after whoever collects them now."""
    return held(sandbox.folder.with_name(f".{sandbox.folder.name}.verdicts.lock"), waiting=_waited_for)


def _waited_for(whom: str) -> None:
    log(f"sandbox: waiting for {whom}, which is at work on the same one")


def digest_of(config: SandboxConfig) -> str:
    """Return the name of the folder that these settings fill, 16 hexadecimal digits."""
    made_of = json.dumps([FORMAT, config.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]


def _build(config: SandboxConfig, sandbox: Sandbox, processes: int) -> None:
    for leftover in sandbox.folder.rglob(".*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    if not sandbox.policy.exists():
        _train_policy(config, sandbox)
    sampling = _sampling_jobs(config, sandbox)
    with progress("sandbox: samples", len(sampling)) as advance:
        run_jobs(sampling, processes, advance)
    for part in PAIR_PARTS:
        _write_pairs(config, sandbox, part)
    for part in PROMPT_PARTS:
        _write_prompts(config, sandbox, part)
    _write_pool(sandbox)
    training = [functools.partial(_reward_model, config, sandbox, one) for one in SPECIALITIES]
    with progress("sandbox: reward models", len(training)) as advance:
        run_jobs(training, processes, advance)
    write_card(config, sandbox)


def _train_policy(config: SandboxConfig, sandbox: Sandbox) -> None:
    tokenizer = sandbox_tokenizer()
    with _one_thread():
        model = train_policy(config.policy, tokenizer, config.seed)

    def save(folder: Path) -> None:
        with quiet_transformers():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)

    _folder_at_once(sandbox.policy, save)


def _sampling_jobs(config: SandboxConfig, sandbox: Sandbox) -> list[Callable[[], None]]:
    counts: dict[Part, int] = {
        "reward models": config.samples.reward_models,
        "router": config.samples.router,
        "stream": config.samples.stream,
        "evaluation": config.samples.evaluation,
    }
    jobs: list[Callable[[], None]] = []
    for part, count in counts.items():
        chunks = range(-(-count // _CHUNK))
        if all(sandbox.samples(part, chunk).exists() for chunk in chunks):
            continue
        problems = distinct_problems(part, count, config.seed)
        jobs += [
            functools.partial(_sample, config, sandbox, part, chunk, problems[chunk * _CHUNK :][:_CHUNK])
            for chunk in chunks
        ]
    return jobs


def _sample(config: SandboxConfig, sandbox: Sandbox, part: Part, chunk: int, problems: list[Problem]) -> None:
    path = sandbox.samples(part, chunk)
    if path.exists():
        return
    with quiet_transformers():
        model = LlamaForCausalLM.from_pretrained(sandbox.policy)
        tokenizer = AutoTokenizer.from_pretrained(sandbox.policy)
    seed = int.from_bytes(hashlib.sha256(f"{config.seed} {part} {chunk}".encode()).digest()[:4], "big")
    with _one_thread():
        asked = [problem.prompt for problem in problems]
        responses = sample_responses(model, tokenizer, asked, config.samples, seed)
    path.parent.mkdir(exist_ok=True)
    write_samples(
        [sample_of(problem, given) for problem, given in zip(problems, responses, strict=True)], path
    )


def _all_samples(sandbox: Sandbox, part: Part) -> list[Sample]:
    return [sample for path in sandbox.all_samples(part) for sample in read_samples(path)]


def _write_pairs(config: SandboxConfig, sandbox: Sandbox, part: Part) -> None:
    path = sandbox.pairs(part)
    if path.exists():
        return
    made = pair_rows(_all_samples(sandbox, part), config.samples.pairs_per_problem, config.seed)
    if not made.rows:
        raise DataError(
            f"sandbox: part {part} gives no pairs: of {made.problems} problems {made.never_right} are never answered"
            f" rightly, {made.never_wrong} never wrongly. Change policy.steps, or ask more problems (samples)"
        )
    path.parent.mkdir(exist_ok=True)
    write_lines(made.rows, path)


def _write_prompts(config: SandboxConfig, sandbox: Sandbox, part: Part) -> None:
    path = sandbox.prompts(part)
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        count = config.samples.stream if part == "stream" else config.samples.evaluation
        rows = [
            {
                "id": p.id,
                "prompt": p.prompt,
                "domain": p.kind.name,
                "difficulty": p.difficulty,
                "answer": p.answer,
            }
            for p in distinct_problems(part, count, config.seed)
        ]
        write_lines(rows, path)


def _write_pool(sandbox: Sandbox) -> None:
    lines = ["rms:"]
    for name in (one.name for one in SPECIALITIES):
        lines += [f"  - name: {name}", "    kind: hf", f"    source: rms/{name}"]
    text = "\n".join(lines) + "\n"
    write_text_atomically(sandbox.pool, text)


def _reward_model(config: SandboxConfig, sandbox: Sandbox, speciality: Speciality) -> None:
    folder = sandbox.reward_model(speciality.name)
    with _one_thread():
        if not folder.exists():
            samples = _all_samples(sandbox, "reward models")
            train = functools.partial(
                train_reward_model,
                sandbox.policy,
                speciality,
                samples,
                config.reward_models,
                seed=config.seed,
            )
            _folder_at_once(folder, lambda part: train(folder=part))
        if not sandbox.measured(speciality.name).exists():
            measure(sandbox, speciality.name)


def _folder_at_once(folder: Path, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` fill a folder of another name, then give it its own."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    fill(part)
    part.rename(folder)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
