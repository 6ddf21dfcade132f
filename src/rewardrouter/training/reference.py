"""The reference that holds the policy to its start: a frozen copy, or the policy itself without what is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel
from trl.trainer.utils import use_adapter


def frozen_copy(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy of a policy that training does not change."""
    found = copy.deepcopy(model)
    # A model that was in a trainer before has a forward of its own, which in the copy would still run the model.
    vars(found).pop("forward", None)
    return found.requires_grad_(False)


@contextmanager
def as_reference(policy: nn.Module, wrapped: nn.Module, frozen: nn.Module | None) -> Iterator[nn.Module]:
    """Yield the model that speaks for the reference.

    That is ``frozen`` where there is one. Else it is ``wrapped``, the model that trains and holds ``policy``, without
    its adapter; of a policy that came with an adapter, TRL has kept a copy of that.
    """
    if frozen is None and isinstance(policy, PeftModel):
        with use_adapter(policy, "ref" if "ref" in policy.peft_config else None):
            yield wrapped
    elif frozen is None:
        raise RuntimeError("a policy without an adapter needs a frozen reference")
    else:
        yield frozen
