"""``kind: verifier`` of a pool file: each response is checked against the right answer.

::

    rms:
      - {kind: verifier, name: math, check: math}                      # the gold answer is in the column answer
      - {kind: verifier, name: capitals, check: exact, answer: gold}
      - {kind: verifier, name: tests, check: "my_checks:unit_tests", timeout: 30}
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from rewardrouter.config.costs import Cost
from rewardrouter.config.ray import RayPlaced
from rewardrouter.config.window import WindowConfig

BUILT_IN = ("math", "exact")
"""Checks that need no function of the user's."""


class VerifierConfig(WindowConfig, RayPlaced):
    """A check of each response against its prompt's row."""

    kind: Literal["verifier"] = "verifier"
    """A verifier."""

    name: str = Field(min_length=1)
    """The RM's name in the pool."""

    check: str
    """``math``: the same mathematics as the gold answer (math-verify). ``exact``: the same final answer, as text or as
    a number. ``module:function``: any function of the response and the row of its prompt, which gives true or false,
    a number (more is better), or ``None`` where it cannot say."""

    answer: str = Field(default="answer", min_length=1)
    """Column of the pairs that holds the gold answer, for ``math`` and ``exact``."""

    timeout: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    """Seconds that the check of one response may take; one that takes longer is killed and fails its pair."""

    workers: int = Field(default=2, ge=1)
    """Processes that check at the same time."""

    cost: Cost | None = None
    """Price of one verdict, in a unit of your own."""

    @field_validator("check")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in BUILT_IN and not re.fullmatch(r"[\w.]+:\w+", value):
            raise ValueError(f"found {value!r}, expected math, exact or module:function")
        return value

    @property
    def built_in(self) -> bool:
        """Whether the check is one of ours, which read a gold answer."""
        return self.check in BUILT_IN
