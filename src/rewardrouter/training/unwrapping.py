"""The policy as a plain model, for sampling and embedding: out of DDP or DeepSpeed, and whole where it is sharded.

Under FSDP every forward pass gathers the weights of all processes, for every token that is written, and all processes
would have to write as many. So the weights are gathered once, and let go afterwards: they must fit on each device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedModel
from trl.models import unwrap_model_for_generation


@contextmanager
def unwrapped(model: nn.Module, accelerator: Accelerator) -> Iterator[PreTrainedModel]:
    """Yield the policy, all of its weights at hand; every process must do so."""
    with unwrap_model_for_generation(model, accelerator) as policy:
        # Those of FSDP2, whose class lies elsewhere in older versions of PyTorch.
        parts: list[Any] = [module for module in policy.modules() if hasattr(module, "unshard")]
        if not parts:
            yield policy
            return
        plugin = accelerator.state.fsdp_plugin
        with torch.no_grad():
            # FSDP finds out which module is its root when that is called, and must not take a part for it.
            policy(input_ids=torch.zeros((1, 1), dtype=torch.int64, device=accelerator.device))
        for part in parts:
            if part is not policy:  # the root keeps its weights for the backward pass anyway
                part.set_reshard_after_forward(False, recurse=False)
            part.unshard()
        try:
            yield policy
        finally:
            for part in parts:
                if part is not policy:
                    part.set_reshard_after_forward(bool(plugin.reshard_after_forward), recurse=False)
                part.reshard()
