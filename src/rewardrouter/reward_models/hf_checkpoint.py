"""A sequence classifier of Hugging Face as a reward model: what it is, known before its weights are loaded.

Settings and tokenizer are small; weights may be gigabytes. So a mistake in a pool file is found at once, and only
the reward models that are asked hold memory. Code that a checkpoint brings along is never run.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from rewardrouter.config.pool import HfConfig
from rewardrouter.errors import CheckpointError, one_line
from rewardrouter.pretrained.loading import max_length, quiet_transformers
from rewardrouter.pretrained.locate import Located, Wanted, locate_checkpoint

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

_HEADS = ("score", "classifier")
"""Names under which models hold the linear map from a hidden state to the score."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RewardCheckpoint:
    """A reward model's files, tokenizer and settings; its weights are loaded by :meth:`load`."""

    what: str
    """The subject of a message about it."""
    located: Located
    tokenizer: PreTrainedTokenizerBase
    settings: PretrainedConfig
    max_length: int | None
    """Tokens that it can read, special ones included; ``None`` where it has no limit."""

    def load(self, device: torch.device, dtype: str) -> PreTrainedModel:
        """Return the model in evaluation mode; its score is computed in float32 whatever the weights are held in.

        Raises
        ------
        CheckpointError
            If the weights are broken or some are missing.
        """
        try:
            with quiet_transformers():
                model, report = AutoModelForSequenceClassification.from_pretrained(
                    self.located.folder,
                    config=self.settings,
                    dtype=_DTYPES[dtype],
                    use_safetensors=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                )
        # A checkpoint can be broken in as many ways as there are files in it; transformers and
        # safetensors have no common error.
        except Exception as error:
            raise CheckpointError(f"{self.what} cannot be loaded: {one_line(error)}") from error
        missing = sorted(report["missing_keys"])
        if missing:
            raise CheckpointError(
                f"{self.what} has no weights for {missing[0]} ({len(missing)} are missing): is it a reward model?"
            )
        _score_in_float32(model)
        return model.to(device).eval()  # type: ignore[no-any-return]


def inspect_checkpoint(config: HfConfig, relative_to: Path) -> RewardCheckpoint:
    """Find the checkpoint that ``config`` names, a folder being relative to another one, and say what it is.

    Raises
    ------
    CheckpointError
        If it cannot be found, is broken, or gives another number of scores than one.
    """
    what = f"reward model {config.name} ({config.source})"
    auto = "AutoModelForSequenceClassification"
    located = locate_checkpoint(Wanted(what, config.source, relative_to, config.revision, auto=auto))
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(located.folder, trust_remote_code=False)
            settings = AutoConfig.from_pretrained(located.folder, trust_remote_code=False)
    except Exception as error:  # as above: there is no common error
        reason = one_line(error)
        if "trust_remote_code" in str(error):
            reason = "it needs Python code of its own, which is never run here"
        raise CheckpointError(f"{what} cannot be loaded: {reason}") from error
    _check_head(what, located.folder)
    _check_labels(what, settings)
    settings.use_cache = False  # nothing is generated
    return RewardCheckpoint(what, located, tokenizer, settings, max_length(_bare(what, settings), tokenizer))


def readable_tokens(what: str, folder: Path, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return how many tokens the model of a folder reads, as :func:`inspect_checkpoint` says; without its settings,
    or where they are of another model, the tokenizer's limit.
    """  # noqa: D205
    model = None
    if (folder / "config.json").exists():
        with contextlib.suppress(Exception), quiet_transformers():
            model = _bare(what, AutoConfig.from_pretrained(folder, trust_remote_code=False))
    return max_length(model, tokenizer)


def resolve_dtype(asked: str, device: torch.device, usual: str = "auto") -> str:
    """Return ``fp32``, ``bf16`` or ``fp16``.

    ``auto`` is fp32 on a CPU, on a GPU what is ``usual`` for the model, where that is ``auto`` too bf16; where the GPU
    has no bf16, fp16.
    """
    if asked != "auto":
        return asked
    if device.type != "cuda":
        return "fp32"
    if usual in ("fp32", "fp16"):
        return usual
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _check_head(what: str, folder: Path) -> None:
    """Refuse weights with a value head of their own, which a sequence classifier would leave out."""
    for file in folder.glob("*.safetensors"):
        try:
            with safetensors.safe_open(file, framework="np") as weights:
                names = list(weights.keys())
        except (OSError, safetensors.SafetensorError):
            return  # loading says what is wrong with it
        for name in names:
            if name.startswith("v_head."):
                raise CheckpointError(
                    f"{what}: its weights have a value head ({name}), which transformers' sequence classifiers lack."
                    " Use a sequence classifier saved with num_labels=1"
                )


def _check_labels(what: str, settings: PretrainedConfig) -> None:
    if settings.is_encoder_decoder:
        raise CheckpointError(
            f"{what}: {settings.model_type} is an encoder-decoder. Use a causal or BERT-like classifier"
        )
    labels = dict(settings.id2label or {})
    if settings.num_labels != 1:
        architecture = ", ".join(settings.architectures or ()) or settings.model_type
        names = ", ".join(str(name) for name in list(labels.values())[:5])
        raise CheckpointError(
            f"{what}: found {architecture} with {settings.num_labels} labels ({names}), expected 1: a pointwise"
            " reward model gives one score. Use a sequence classifier saved with num_labels=1"
        )


def _bare(what: str, settings: PretrainedConfig) -> PreTrainedModel:
    """Return the model without memory for its weights."""
    try:
        with torch.device("meta"), quiet_transformers():
            model: Any = AutoModelForSequenceClassification.from_config(settings)  # type: ignore[no-untyped-call]
    except Exception as error:  # an architecture without a classifier, or settings that contradict each other
        raise CheckpointError(f"{what} is no sequence classifier: {one_line(error)}") from error
    return model  # type: ignore[no-any-return]


def _score_in_float32(model: PreTrainedModel) -> None:
    """Let a linear head work in float32: bfloat16 has so few digits that unlike responses would tie."""
    for name in _HEADS:
        head = getattr(model, name, None)
        if isinstance(head, nn.Linear):
            head.float()
            head.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
