"""How much memory a run takes at its peak: what is held all the time, and what a micro-batch or generation adds.

What a micro-batch keeps for its gradient depends on the model in every detail, so it is not computed but counted, on
one pair and on two of the greatest length, and extended from there. The rest follows from sizes::

    held        weights, the reference, and of what is trained: gradients and two moments, in float32
    training    activations  +  logits: the policy's log-probabilities [2 P, response, V] in float32, kept for the
                gradient, and twice [2 P, T, V] while gradients go back through the selection; or, where they would
                be many (``losses.MANY_LOGITS``), tiles of them
    generation  the cache of keys and values  +  the scores of the next token, in several copies

The peak is ``held + max(training, generation)``, for the longest prompt and responses that use all their tokens.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from transformers import PreTrainedModel

from rewardrouter.pretrained.loading import vocabulary_size
from rewardrouter.training.losses import fuses, response_log_probs
from rewardrouter.training.trainer import RoutedDPOTrainer

_TRAINED_BYTES = 12
"""Of a parameter that is trained: its gradient and two moments, in float32."""

_FLOAT = 4
_NEXT_TOKEN_BYTES = 32
"""Of each score of the next token while one is drawn: scores, probabilities and their sums in float64, and a mask."""

_TILE = (4096, 32768)
"""Tokens and vocabulary of the tiles in which TRL's output layer works that never holds all logits."""

_TILE_COPIES = {"cuda": 1}
_TILE_COPIES_ELSEWHERE = 8
"""How many such tiles its backward pass holds: a kernel overwrites one, torch's own operations do not."""


@dataclasses.dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes of one process, by what they are for."""

    weights: int
    reference: int
    optimiser: int
    activations: int
    logits: int
    generation: int

    @property
    def total(self) -> int:
        """The peak."""
        held = self.weights + self.reference + self.optimiser
        return held + max(self.activations + self.logits, self.generation)

    def line(self) -> str:
        """Return the estimate for a reader."""
        return (
            f"about {_gib(self.total)} GiB at the peak: {_gib(self.weights)} weights, {_gib(self.reference)} reference,"
            f" {_gib(self.optimiser)} gradients and moments, then {_gib(self.activations)} activations and"
            f" {_gib(self.logits)} logits of a micro-batch, or {_gib(self.generation)} to generate; reward models, the"
            " router's encoder and libraries come on top"
        )


def estimate_memory(trainer: RoutedDPOTrainer, pairs: int) -> MemoryEstimate:
    """Return what a run takes whose micro-batches have at most so many ``pairs`` in one process; nothing is trained."""
    model: PreTrainedModel = trainer.model
    generation, config = trainer.online.generation, model.config.get_text_config()
    prompt = max(len(one.ids) for one in trainer.prompts.prompts)
    new, vocabulary = generation.max_new_tokens, vocabulary_size(model)
    length, rows = prompt + new, 2 * pairs
    parameters = list(model.parameters())
    weights = _bytes(parameters)
    reference = 0 if trainer.ref_model is None else _bytes(list(trainer.ref_model.parameters()))
    trained = sum(one.numel() for one in parameters if one.requires_grad)

    fused = fuses(model, rows * length)
    one, two = (_kept(trainer, 2 * count, prompt, new, fused=fused) for count in (1, 2))
    selected = 0 if fused else rows * new * vocabulary * _FLOAT
    activations = max(0, one + (two - one) * (pairs - 1) - selected)
    if trainer.args.gradient_checkpointing:  # the layers' inputs, and one layer's states
        layers, width = int(config.num_hidden_layers), int(config.hidden_size)
        activations = activations // layers + rows * length * width * layers * _FLOAT
    if fused:
        copies = _TILE_COPIES.get(model.device.type, _TILE_COPIES_ELSEWHERE)
        logits = copies * min(rows * new, _TILE[0]) * min(vocabulary, _TILE[1]) * _FLOAT
    else:
        logits = selected + 2 * rows * length * vocabulary * _FLOAT
    optimiser = trained * _TRAINED_BYTES
    return MemoryEstimate(weights, reference, optimiser, activations, logits, _generating(trainer, length))


def _kept(trainer: RoutedDPOTrainer, rows: int, prompt: int, new: int, *, fused: bool) -> int:
    """Return the bytes that a forward pass keeps for the gradient, without the weights themselves."""
    model: PreTrainedModel = trainer.model
    owned = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.ones((rows, prompt + new), dtype=torch.int64, device=model.device)
    seen, answered = torch.ones_like(ids), torch.ones_like(ids)
    seen[0, -1] = 0  # as where texts are of different lengths: attention is then given a mask
    answered[:, :prompt] = 0
    tensors = {"input_ids": ids, "attention_mask": seen, "completion_mask": answered}
    model.train()
    with (
        trainer.compute_loss_context_manager(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        log_probs, _ = response_log_probs(model, tensors, fused=fused)
    del log_probs
    return sum(kept.values())


def _generating(trainer: RoutedDPOTrainer, length: int) -> int:
    """Return the bytes that generation in this process takes; 0 where a server samples."""
    settings: Any = trainer.online.generation
    if settings.engine != "transformers":
        return 0
    config = trainer.model.config.get_text_config()
    args = trainer.args
    prompts = args.per_device_train_batch_size * args.gradient_accumulation_steps
    rows: int = min(settings.batch_size, settings.responses * prompts)
    heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
    element = next(trainer.model.parameters()).element_size()
    # One layer's part is copied where it grows.
    cache = rows * length * 2 * heads * size * element * (int(config.num_hidden_layers) + 1)
    return int(cache) + rows * vocabulary_size(trainer.model) * _NEXT_TOKEN_BYTES


def _bytes(parameters: list[torch.nn.Parameter]) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in parameters)


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f}"
