"""Load a causal LM and its tokenizer, from a folder or the hub, as a policy that can be trained.

Dropout is switched off, as in TRL's ``DPOTrainer``: a pair's loss is then a function of the pair and the
weights alone. Weights must be safetensors, and code that a checkpoint brings along is never run.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from rewardrouter.config.policy import PolicyConfig
from rewardrouter.errors import CheckpointError, ConfigError, one_line
from rewardrouter.pretrained.loading import quiet_transformers

_DROPOUTS = ("dropout", "pdrop")
"""Parts of the names under which configurations hold probabilities of dropout."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PolicyCheckpoint:
    """A loaded causal LM, in evaluation mode on its device, and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


@dataclasses.dataclass(frozen=True, slots=True)
class Dtypes:
    """What a policy is ``computed`` in, and what the checkpoint's weights are ``held`` in.

    Weights that are trained are held in float32: an update is smaller than what bfloat16 can tell apart.
    """

    computed: torch.dtype
    held: torch.dtype


def resolve_dtypes(config: PolicyConfig, device: torch.device) -> Dtypes:
    """Return the dtypes; ``auto`` computes in bfloat16 on a GPU that has instructions for it."""
    fine = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    half = config.dtype == "bf16" or (config.dtype == "auto" and fine)
    computed = torch.bfloat16 if half else torch.float32
    return Dtypes(computed, computed if config.tuning == "lora" else torch.float32)


def load_policy_checkpoint(
    config: PolicyConfig, device: torch.device, dtype: torch.dtype
) -> PolicyCheckpoint:
    """Load what ``config.checkpoint`` names, its weights in ``dtype``.

    Raises
    ------
    CheckpointError
        If it cannot be found, is broken, or is no causal LM.
    ConfigError
        If no checkpoint is named, or it reads fewer tokens than the settings allow.
    """
    if config.checkpoint is None:
        raise ConfigError("policy.checkpoint: none is given; name a hub id or a folder")
    name = config.checkpoint
    if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
        raise CheckpointError(f"policy {name}: no such folder. Give a folder of save_pretrained or a hub id")
    model, tokenizer = _load(name, config.revision, dtype)
    _check_positions(config, model.config)
    model = model.to(device).eval()  # type: ignore[arg-type]
    _check_causal(name, model)
    return PolicyCheckpoint(model, tokenizer)


def enable_checkpointing(model: PreTrainedModel) -> None:
    """Let the model compute its layers' states again in the backward pass instead of keeping them."""
    # transformers 5 has another name for it, and warns of the old one.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    model.train()  # it checkpoints in training mode only; dropout is off


def _load(
    name: str, revision: str | None, dtype: torch.dtype
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    source = str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
            settings = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
            _without_dropout(settings)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                source,
                revision=revision,
                config=settings,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    # A checkpoint can be broken, or be out of reach, in as many ways as there are files in it; transformers,
    # huggingface_hub and safetensors have no common error.
    except Exception as error:
        raise CheckpointError(f"policy {name} cannot be loaded: {one_line(error)}") from error
    model, report = loaded
    missing = sorted(report["missing_keys"])
    if missing:
        raise CheckpointError(
            f"policy {name} has no weights for {missing[0]} ({len(missing)} are missing): is it a causal LM"
            " with its output layer?"
        )
    model.config.use_cache = False  # nothing is generated
    return model, tokenizer


def _without_dropout(settings: PretrainedConfig) -> None:
    for key, value in settings.to_dict().items():
        if isinstance(value, float) and key.endswith(_DROPOUTS):
            setattr(settings, key, 0.0)


def _check_positions(config: PolicyConfig, settings: PretrainedConfig) -> None:
    wanted = config.max_prompt_tokens + config.max_response_tokens
    limit = getattr(settings.get_text_config(), "max_position_embeddings", None)
    if limit is not None and wanted > limit:
        raise ConfigError(
            f"policy {config.checkpoint} reads {limit} tokens, but prompts may have {config.max_prompt_tokens} and"
            f" responses {config.max_response_tokens}: make these limits less"
        )


def _check_causal(name: str, model: PreTrainedModel) -> None:
    """Ask the model itself whether the last token changes what the first one predicts."""
    vocabulary = int(model.config.get_text_config().vocab_size)
    ids = torch.tensor([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]], device=model.device) % vocabulary
    with torch.inference_mode():
        first = model(input_ids=ids).logits[:, 0].float()
    if (first[0] - first[1]).abs().max() > 1e-3 * first[0].abs().max():
        raise CheckpointError(
            f"policy {name}: {type(model).__name__} is no causal LM: a later token changes what an earlier one"
            " predicts. Give one that generates text from left to right"
        )
