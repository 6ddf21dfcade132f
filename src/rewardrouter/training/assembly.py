"""A trainer made of a configuration: everything that it names is loaded, and whether it fits is checked."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from transformers.integrations.integration_utils import get_reporting_integration_callbacks
from transformers.trainer_callback import ProgressCallback
from trl import DPOConfig

from rewardrouter.annotators import Annotator
from rewardrouter.annotators.planned import Planned
from rewardrouter.config.policy import PolicyConfig
from rewardrouter.config.train import TrainConfig
from rewardrouter.datasets.rows import read_rows
from rewardrouter.errors import ConfigError
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.policies.checkpoint import load_policy_checkpoint, resolve_dtypes
from rewardrouter.policies.lora import lora_config
from rewardrouter.pretrained.loading import resolve_device
from rewardrouter.reward_models.functions import load_function
from rewardrouter.reward_models.loading import load_pool
from rewardrouter.router import BayesianRouter
from rewardrouter.simulation.learning import Bench
from rewardrouter.simulation.named import strategy_of
from rewardrouter.training.processes import process_state
from rewardrouter.training.responses import Verifier
from rewardrouter.training.trainer import RoutedDPOTrainer
from rewardrouter.training.verifiers import GoldVerifier, VerifierAnnotator, checked


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A trainer, and what it was made of. ``router`` and ``annotator`` are the first process's alone.

    ``close`` ends what the reward models need, such as a cluster.
    """

    trainer: RoutedDPOTrainer
    annotator: Annotator | None
    router: BayesianRouter | None
    verifier: Verifier | None
    close: Callable[[], None]


def assemble(config: TrainConfig, out: Path) -> Run:
    """Load what a run needs, until it is closed.

    Raises
    ------
    CheckpointError
        If a model or the router cannot be loaded.
    ConfigError
        If settings do not fit each other, the models or the number of processes.
    DataError
        If the prompts cannot be read.
    """
    with contextlib.ExitStack() as opened:
        return _assemble(config, out, opened)


def _assemble(config: TrainConfig, out: Path, opened: contextlib.ExitStack) -> Run:
    state = process_state()
    named = config.verifier
    verifier = None if named is None else checked(load_function(named, "verifier"), named)
    rows = read_rows(config.prompts.source)
    policy, tokenizer = _policy(config)
    annotator, router = None, None
    if state.is_main_process:
        annotator, router = _annotator(config, policy, verifier, opened)
    adapter = lora_config(policy, config.policy.lora) if config.policy.tuning == "lora" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TRL's and transformers' affairs with each other
        trainer = RoutedDPOTrainer(
            policy,
            _arguments(config, out, state.num_processes),
            annotator,
            rows,
            online=config.online,
            verifier=verifier,
            processing_class=tokenizer,
            peft_config=adapter,
        )
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return Run(trainer, annotator, router, verifier, opened.pop_all().close)


def _policy(config: TrainConfig) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    given, device = config.policy, resolve_device("auto")
    settings = PolicyConfig(
        checkpoint=given.checkpoint,
        revision=given.revision,
        tuning=given.tuning,
        dtype=given.dtype,
        max_prompt_tokens=config.prompts.max_tokens,
        max_response_tokens=config.generation.max_new_tokens,
    )
    # On the CPU: the trainer moves it, or a shard of it, to where it runs.
    loaded = load_policy_checkpoint(settings, torch.device("cpu"), resolve_dtypes(settings, device).held)
    return loaded.model.train(), loaded.tokenizer


def _annotator(
    config: TrainConfig, policy: PreTrainedModel, verifier: Verifier | None, opened: contextlib.ExitStack
) -> tuple[Annotator, BayesianRouter]:
    given = config.annotator
    router = BayesianRouter.from_pretrained(given.router, cache=EmbeddingCache(None))
    pool = opened.enter_context(load_pool(Path(given.pool)))
    if missing := [arm for arm in router.arms if arm not in pool.names]:
        raise ConfigError(
            f"annotator.pool {given.pool}: has no {missing[0]}, which the router knows."
            f" It holds: {', '.join(pool.names)}"
        )
    if given.strategy == "oracle" and verifier is not None:
        return VerifierAnnotator(verifier), router
    width = int(policy.config.get_text_config().hidden_size)
    strategy = strategy_of(given.strategy, router.arms)
    if config.overlap:  # not later: loading must not fall into the time in which the policy writes
        _, _, single = strategy.name.partition("single/")
        pool.load([single] if single else router.arms)
    gold = None if verifier is None else GoldVerifier(verifier)
    bench = Bench(pool.select(router.arms), router, width, gold=gold)
    annotator = strategy.make(bench, config.seed)
    if isinstance(annotator, Planned):
        annotator.prepare()  # a budget that cannot be kept is told before the policy writes
    return annotator, router


def _arguments(config: TrainConfig, out: Path, processes: int) -> DPOConfig:
    """Return TRL's settings.

    Raises
    ------
    ConfigError
        If the prompts of a step cannot be shared out, a tracker is not installed, or ``arguments`` holds what TRL does
        not know, or what is set elsewhere.
    """
    parts = config.microbatches * processes
    if config.prompts_per_step % parts:
        raise ConfigError(
            f"prompts_per_step {config.prompts_per_step}: cannot be shared out to {config.microbatches} microbatches"
            f" of {processes} processes; give a multiple of {parts}"
        )
    policy = config.policy
    device = resolve_device("auto")
    half = resolve_dtypes(PolicyConfig(dtype=policy.dtype), device).computed is torch.bfloat16
    ours: dict[str, Any] = {
        "output_dir": str(out),
        "per_device_train_batch_size": config.prompts_per_step // parts,
        "gradient_accumulation_steps": config.microbatches,
        "max_steps": config.steps if config.steps is not None else -1,
        "num_train_epochs": config.epochs,
        "learning_rate": policy.learning_rate,
        "weight_decay": policy.weight_decay,
        "lr_scheduler_type": policy.schedule,
        "max_grad_norm": policy.max_grad_norm,
        "loss_type": policy.loss,
        "beta": policy.beta,
        "use_cpu": device.type == "cpu",
        "bf16": half,
        "gradient_checkpointing": policy.gradient_checkpointing,
        "seed": config.seed,
        "save_strategy": "steps",
        "save_steps": config.save_every,
        "save_total_limit": config.keep,
        "logging_steps": config.log_every,
        "report_to": list(config.report_to),
        "dataloader_pin_memory": device.type == "cuda",
        "disable_tqdm": True,
    }
    if clash := sorted(ours.keys() & config.arguments.keys()):
        raise ConfigError(f"arguments.{clash[0]}: is set elsewhere in the configuration")
    trackers: Any = get_reporting_integration_callbacks
    try:
        for tracker in trackers(list(config.report_to)):
            tracker()
    except (ValueError, RuntimeError, ImportError) as error:
        raise ConfigError(f"report_to: {error}") from error
    try:
        return DPOConfig(**ours, **config.arguments)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"arguments: TRL's DPOConfig says: {error}") from error
