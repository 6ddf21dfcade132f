"""Several processes that train one policy: what each has is gathered, what the first decides is told to all.

Pairs are labelled by the first process alone, on those of all processes together and in an order that does not depend
on how prompts were spread: so two processes decide as one would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list, gather_object

from rewardrouter.errors import UserError
from rewardrouter.pretrained.loading import resolve_device

T = TypeVar("T")


def process_state() -> PartialState:
    """Return which of the processes this is; where there is no accelerator they meet on the CPU."""
    return PartialState(cpu=resolve_device("auto").type == "cpu")


def is_first() -> bool:
    """Tell whether this is the process that writes."""
    return bool(process_state().is_main_process)


def gathered(accelerator: Accelerator, items: Sequence[T]) -> list[T]:
    """Return the items of all processes, those of the first process first; every process must call it."""
    if accelerator.num_processes == 1:
        return list(items)
    found: list[T] = gather_object(list(items))
    return found


class Told(Generic[T]):
    """What the first process found, or why it failed."""

    def __init__(self, value: T | None, error: BaseException | None) -> None:
        self.value, self.error = value, error


def decided(accelerator: Accelerator, decide: Callable[[], T]) -> T:
    """Let the first process decide and return its answer in every process.

    Raises
    ------
    Exception
        What ``decide`` raised, in the first process; in the others a ``RuntimeError`` that says so, or the same
        error where it is the user's.
    """
    if accelerator.num_processes == 1:
        return decide()
    told: Told[T] = Told(None, None)
    caught: BaseException | None = None
    if accelerator.is_main_process:
        try:
            told = Told(decide(), None)
        except Exception as error:
            caught = error
            kind = (
                error
                if isinstance(error, UserError)
                else RuntimeError(f"the first process failed: {error!r}")
            )
            told = Told(None, kind)
    boxed = [told]
    broadcast_object_list(boxed, from_process=0)
    if caught is not None:
        raise caught
    if boxed[0].error is not None:
        raise boxed[0].error
    return boxed[0].value  # type: ignore[return-value]
