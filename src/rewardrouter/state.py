"""What survives a restart: arrays, and metadata that JSON can hold.

Whoever holds state returns a :class:`State` and accepts one; the parts of a larger
state lie under prefixes (``posterior.mean``). A state that does not fit is refused
in one line, before anything is changed. On disk a state is one safetensors file, the
metadata in its header, so that both are replaced at once.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import CheckpointError
from rewardrouter.files import write_atomically


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """State at one moment.

    ``arrays`` are ``float64``, ``float32`` for a model's weights or ``int64`` for counts, and belong to the
    holder of the state: nothing changes them later. ``metadata`` is JSON-serialisable.
    """

    arrays: Mapping[str, npt.NDArray[Any]] = dataclasses.field(default_factory=dict)
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def array(self, name: str, shape: tuple[int | None, ...], dtype: type = np.float64) -> npt.NDArray[Any]:
        """Return a copy of an array, checked; ``None`` in ``shape`` allows any size.

        Raises
        ------
        CheckpointError
            If it is missing, of another shape or type, or not finite.
        """
        if name not in self.arrays:
            raise CheckpointError(f"state: no array {name}; it was saved by something else, or is broken")
        found = np.asarray(self.arrays[name])
        fits = len(found.shape) == len(shape) and all(
            want is None or want == got for want, got in zip(shape, found.shape, strict=True)
        )
        if not fits or found.dtype != dtype:
            wanted = ["any" if size is None else size for size in shape]
            raise CheckpointError(
                f"state: {name} should be {np.dtype(dtype).name} {wanted}, but is {found.dtype.name}"
                f" {list(found.shape)}"
            )
        if not np.isfinite(found).all():
            raise CheckpointError(f"state: {name} holds numbers that are not finite")
        return found.copy()

    def floats(self, name: str, *shape: int | None) -> npt.NDArray[np.float64]:
        """Return a copy of a ``float64`` array, checked as in :meth:`array`."""
        return self.array(name, shape)

    def value(self, name: str, kind: type) -> Any:
        """Return an entry of the metadata, checked.

        Raises
        ------
        CheckpointError
            If it is missing or of another type.
        """
        if name not in self.metadata:
            raise CheckpointError(f"state: no {name}; it was saved by something else, or is broken")
        found = self.metadata[name]
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise CheckpointError(f"state: {name} should be {kind.__name__}, but is {found!r}")
        return found

    def part(self, prefix: str) -> State:
        """Return the part that :meth:`joined` put under ``prefix``."""
        start = prefix + "."
        arrays = {name.removeprefix(start): a for name, a in self.arrays.items() if name.startswith(start)}
        return State(arrays, self.value(prefix, dict))

    @classmethod
    def joined(cls, metadata: Mapping[str, Any] | None = None, **parts: State) -> State:
        """Return one state of several, each under its name, and ``metadata`` beside them."""
        arrays = {f"{prefix}.{name}": a for prefix, part in parts.items() for name, a in part.arrays.items()}
        nested = {prefix: dict(part.metadata) for prefix, part in parts.items()}
        return cls(arrays, {**(metadata or {}), **nested})


def generator_state(generator: np.random.Generator) -> dict[str, Any]:
    """Return the state of a PCG64 generator, JSON-serialisable (its integers have 128 bits)."""
    return dict(generator.bit_generator.state)


def restored_generator(saved: Mapping[str, Any]) -> np.random.Generator:
    """Return the generator that continues where :func:`generator_state` was taken.

    Raises
    ------
    CheckpointError
        If ``saved`` is no such state.
    """
    bits: Any = np.random.PCG64()  # its setter checks what it is given
    try:
        bits.state = dict(saved)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"state: generator is no state of PCG64: {error}") from error
    return np.random.Generator(bits)


def save_state(state: State, path: Path) -> None:
    """Write a state to ``path``, one safetensors file; whenever the process dies, the old or the new one is there.

    Raises
    ------
    CheckpointError
        If it cannot be written: the disk is full, say.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    header = {"state": json.dumps(state.metadata, allow_nan=False)}
    arrays = {name: np.ascontiguousarray(array) for name, array in state.arrays.items()}
    try:
        write_atomically(path, lambda file: save_file(arrays, file, metadata=header))
    except SafetensorError as error:
        raise CheckpointError(f"{path}: cannot be written: {error}") from error


def load_state(path: Path) -> State:
    """Return the state in ``path``.

    Raises
    ------
    CheckpointError
        If there is no file, or :func:`save_state` did not write it, or it is broken.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {})["state"])
            return State({name: file.get_tensor(name) for name in file.keys()}, metadata)  # noqa: SIM118
    except (KeyError, OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: no state that can be read ({error})") from error
