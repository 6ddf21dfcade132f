"""Two clocks: the CPU time of the process, and the time on the wall."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass
class Times:
    """Milliseconds on both clocks."""

    cpu: list[float] = dataclasses.field(default_factory=list)
    wall: list[float] = dataclasses.field(default_factory=list)

    def measure(self, work: Callable[..., object], *arguments: object, steps: int = 1) -> None:
        """Time one call, which does ``steps`` steps."""
        cpu, wall = time.process_time(), time.perf_counter()
        work(*arguments)
        self.cpu.append(1e3 * (time.process_time() - cpu) / steps)
        self.wall.append(1e3 * (time.perf_counter() - wall) / steps)

    @property
    def median(self) -> float:
        return float(np.median(self.cpu))

    @property
    def wall_median(self) -> float:
        return float(np.median(self.wall))
