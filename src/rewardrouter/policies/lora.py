"""An adapter of low rank on a causal LM (LoRA, arXiv 2106.09685).

The policy is the model with it, the reference the model without. A new adapter changes nothing: its second matrix
is zero. The first is random, from the seed.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import PreTrainedModel

from rewardrouter.config.policy import LoraSettings
from rewardrouter.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel

_ADAPTER = "default"


class LoraAdapter:
    """The adapter put into a model, in place: the model computes with it from then on.

    Raises
    ------
    MissingDependencyError
        If peft is not installed.
    ConfigError
        If the model has no matrices of the names asked for.
    """

    def __init__(self, model: PreTrainedModel, settings: LoraSettings) -> None:
        config = lora_config(model, settings)
        from peft import get_peft_model

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft's affairs with transformers and the layers' kinds
            self._wrapped: PeftModel = get_peft_model(model, config)

    def disabled(self) -> AbstractContextManager[None]:
        """Return a context in which the model computes without the adapter: the reference."""
        return self._wrapped.disable_adapter()

    def reset(self, seed: int) -> None:
        """Make the adapter a new one."""
        from peft.tuners.lora import LoraLayer

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for module in self._wrapped.modules():
                if isinstance(module, LoraLayer):
                    module.reset_lora_parameters(_ADAPTER, True)  # type: ignore[no-untyped-call]


def lora_config(model: PreTrainedModel, settings: LoraSettings) -> LoraConfig:
    """Return peft's settings of an adapter for ``model``.

    Raises
    ------
    MissingDependencyError
        If peft is not installed.
    ConfigError
        If the model has no matrices of the names asked for.
    """
    if find_spec("peft") is None:
        raise MissingDependencyError("peft", "lora", "a policy with policy.tuning=lora")
    from peft import LoraConfig

    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    unknown = [name for name in settings.target_modules if name not in names]
    if unknown:
        matrices = {name.rpartition(".")[2] for name, m in model.named_modules() if _is_matrix(m)}
        raise ConfigError(
            f"policy.lora.target_modules: {type(model).__name__} has no {unknown[0]}. It has:"
            f" {', '.join(sorted(matrices))}"
        )
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=list(settings.target_modules),
        task_type="CAUSAL_LM",
    )


def _is_matrix(module: nn.Module) -> bool:
    """Whether the module is a matrix that an adapter can stand beside (``nn.Linear``, GPT-2's ``Conv1D``)."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.ndim == 2 and not isinstance(module, nn.Embedding)
