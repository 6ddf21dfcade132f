"""Load an encoder and learn what it is.

A checkpoint is *causal* when a token's state depends only on what stands before it, and
*bidirectional* (BERT-like) when it depends on the whole text. Names do not tell reliably (a saved
``LlamaModel`` has no ``ForCausalLM`` in its config; some embedding models are decoders without the
causal mask), so the loaded model is asked: does changing the last token change the first one's state?

Weights are held in float32, whatever they were saved in.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.errors import CheckpointError, one_line
from rewardrouter.offline.locate import locate
from rewardrouter.offline.pooling import Kind
from rewardrouter.pretrained.loading import max_length, quiet_transformers, resolve_device, vocabulary_size


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
        max_length=max_length(model, tokenizer),
        pad_id=_pad_id(model, tokenizer),
        hidden_size=probe.hidden_size,
        n_states=probe.n_states,
    )


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
    ids = torch.tensor([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]]) % vocabulary_size(model)
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


def _pad_id(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return a token that the model has an embedding for; some tokenizers add a padding token without one."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id):
        if isinstance(token, int) and token < vocabulary_size(model):
            return token
    return 0
