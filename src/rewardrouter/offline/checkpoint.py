"""Load an encoder and learn what it is.

A checkpoint is *causal* when a token's state depends only on what stands before it, and
*bidirectional* (BERT-like) when it depends on the whole text. Names do not tell reliably (a saved
``LlamaModel`` has no ``ForCausalLM`` in its config; some embedding models are decoders without the
causal mask), so the loaded model is asked: does changing the last token change the first one's state?

Weights are held in float32, whatever they were saved in.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.errors import CheckpointError
from rewardrouter.offline.locate import locate, one_line
from rewardrouter.offline.pooling import Kind

_UNLIMITED = 1_000_000
"""A tokenizer without a length limit says so with a huge number."""


@dataclasses.dataclass(frozen=True, eq=False)
class EncoderCheckpoint:
    """A loaded encoder: the model in float32 on its device, in evaluation mode."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    kind: Kind
    identity: str
    """Of weights and tokenizer as loaded."""
    max_length: int | None
    """Tokens that it can read, special ones included; ``None`` where it has no limit."""
    pad_id: int
    """Fills up batches; never attended to."""
    hidden_size: int
    n_states: int
    """Hidden states: the embeddings and one per layer."""


def load_encoder_checkpoint(config: EncoderConfig) -> EncoderCheckpoint:
    """Load the encoder that ``config`` names.

    Raises
    ------
    CheckpointError
        If it cannot be found, is not what it says, or cannot be used as an encoder.
    MissingDependencyError
        If ``minilm`` is neither installed nor to be had from the hub.
    """
    device = resolve_device(config.device)
    name = config.checkpoint
    located = locate(config)
    model, tokenizer = _load(name, located.folder, config.trust_remote_code)
    probe = _probe(name, model)
    return EncoderCheckpoint(
        model=model.to(device),  # type: ignore[arg-type]
        tokenizer=tokenizer,
        kind=probe.kind,
        identity=located.identity,
        max_length=_max_length(model, tokenizer),
        pad_id=_pad_id(model, tokenizer),
        hidden_size=probe.hidden_size,
        n_states=probe.n_states,
    )


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is cuda where there is one, else cpu.

    Raises
    ------
    CheckpointError
        If this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CheckpointError(
            f"encoder device {name!r} cannot be used: {one_line(error)}. Use cpu or auto"
        ) from error
    return device


def _load(name: str, folder: Path, code: bool) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=code)
            model, report = AutoModel.from_pretrained(
                folder, trust_remote_code=code, use_safetensors=True, output_loading_info=True
            )
    # A checkpoint can be broken in as many ways as there are files in it; transformers and
    # safetensors have no common error.
    except Exception as error:
        hint = " Set trust_remote_code where you trust that code" if "trust_remote_code" in str(error) else ""
        raise CheckpointError(f"encoder {name} cannot be loaded: {one_line(error)}{hint}") from error
    # The pooler on top is not used; anything else that is missing would be random numbers.
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key)
    if missing:
        raise CheckpointError(f"encoder {name} has no weights for {missing[0]} ({len(missing)} are missing)")
    if model.config.is_encoder_decoder:
        raise CheckpointError(
            f"encoder {name}: {model.config.model_type} is an encoder-decoder."
            " Use a causal or BERT-like checkpoint"
        )
    model.config.use_cache = False  # nothing is generated: the keys and values of past tokens are not needed
    return model.float().eval(), tokenizer


@dataclasses.dataclass(frozen=True, slots=True)
class _Probe:
    kind: Kind
    hidden_size: int
    n_states: int


def _probe(name: str, model: PreTrainedModel) -> _Probe:
    """Learn from one small forward pass what kind of encoder it is."""
    ids = torch.tensor([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]]) % _vocabulary(model)
    try:
        with torch.inference_mode():
            output = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
        last, states = output.last_hidden_state, output.hidden_states
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"encoder {name}: {type(model).__name__} does not read text as an encoder should:"
            f" {one_line(error)}"
        ) from error
    moved = (last[0, 0] - last[1, 0]).abs().max() > 1e-5 * last[0, 0].abs().max()
    return _Probe("bidirectional" if moved else "causal", last.shape[-1], len(states))


def _max_length(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the shorter of the model's and the tokenizer's limit."""
    limits = [int(tokenizer.model_max_length)]
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions:
        table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
        padding = getattr(table, "padding_idx", None)  # RoBERTa and its kin count positions from there on
        limits.append(int(positions) - (0 if padding is None else int(padding) + 1))
    limits = [limit for limit in limits if 0 < limit < _UNLIMITED]
    return min(limits, default=None)


def _pad_id(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return a token that the model has an embedding for; some tokenizers add a padding token without one."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id):
        if isinstance(token, int) and token < _vocabulary(model):
            return token
    return 0


def _vocabulary(model: PreTrainedModel) -> int:
    return int(model.config.get_text_config().vocab_size)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Load and save without transformers' bars and its table of weights that are left over (an unused head)."""
    bars, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
