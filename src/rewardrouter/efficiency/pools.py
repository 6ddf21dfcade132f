"""Which pools are measured: some that grow, and one whose reward models are made wider and wider."""

from __future__ import annotations

import dataclasses

from rewardrouter.config.speed import SpeedConfig, TinyModels


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """One pool that is measured: its number of RMs, and their width where that is ours to choose."""

    size: int
    width: int | None

    @property
    def name(self) -> str:
        """Part of the names of its files."""
        return f"{self.size}-{'given' if self.width is None else self.width}"


class Wanted:
    """All pools that the settings ask for."""

    def __init__(self, config: SpeedConfig) -> None:
        self._config = config

    @property
    def width(self) -> int | None:
        """The width of the RMs in the pools that grow; ``None`` where the models are given, or none are."""
        models = self._config.models
        return models.rm_width if isinstance(models, TinyModels) else None

    @property
    def growing(self) -> list[Measured]:
        """The pools that differ in their number of RMs, smallest first."""
        if self._config.models is None:
            return []
        return [Measured(size, self.width) for size in sorted(self._config.pool_sizes)]

    @property
    def widths(self) -> list[Measured]:
        """The pools that differ in the width of their RMs; none where only one width is asked for."""
        models = self._config.models
        if not isinstance(models, TinyModels):
            return []
        size = models.rm_widths_at
        found = [one for one in self.growing if one.size == size]
        found = list(dict.fromkeys([*found, *(Measured(size, width) for width in models.rm_widths)]))
        return found if len({models.rm_width, *models.rm_widths}) > 1 else []

    @property
    def all(self) -> list[Measured]:
        """Each pool once."""
        return list(dict.fromkeys([*self.growing, *self.widths]))
