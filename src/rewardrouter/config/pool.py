"""The pool file: which reward models may be asked.

::

    rms:
      - name: GRM-Gemma-2B
        kind: recorded
        source: verdicts.parquet      # relative to this file
        record: GRM-Gemma-2B-rewardmodel-ft
      - name: Skywork
        kind: recorded
        source: verdicts.parquet

An entry without a name, ``{kind: recorded, source: verdicts.parquet}``, stands for
every RM that the source holds, each under its own name.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rewardrouter.config.base import StrictModel


class RecordedConfig(StrictModel):
    """Reward models whose verdicts were recorded earlier."""

    kind: Literal["recorded"]
    """A recording."""

    source: str = Field(min_length=1)
    """The verdicts: a wide file, or the folder that ``collect`` writes; relative to the pool file."""

    name: str | None = None
    """The RM's name in the pool; without it, all RMs of the source join under their own names."""

    record: str | None = None
    """The RM's name in the source, where that is another."""

    @model_validator(mode="after")
    def _named(self) -> RecordedConfig:
        if self.record is not None and self.name is None:
            raise ValueError("record names an RM of the source: give its name in the pool too")
        return self


class PoolConfig(StrictModel):
    """A pool of reward models."""

    rms: tuple[RecordedConfig, ...] = Field(min_length=1)
    """The reward models."""
