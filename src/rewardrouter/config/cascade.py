"""Settings of the strategies beyond the paper: cascades and cost-aware routing; what an ablation can vary.

On the command line a budget stands behind ``@``: ``router+cascade@1.35`` makes at most 1.35 calls per pair on
average, ``router+cost@0.002:unit=cost`` spends at most .002 of the pool file's currency. Further settings follow a
colon: ``router+cascade@1.35:low_evidence=weigh``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from rewardrouter.config.base import StrictModel
from rewardrouter.config.costs import Cost

Unit = Literal["call", "cost", "second"]
"""``call``: every call costs 1. ``cost``: as in the pool file. ``second``: measured on a few pairs at the start."""


class EvidenceSettings(StrictModel):
    """What counts as evidence, and who is asked (``annotators.admitted``)."""

    order: Literal["gain", "router", "accuracy", "random"] = "gain"
    """Who is asked next. ``gain``: the RM whose verdict would tell most per cost; ``router``: the best scored;
    ``accuracy``: always the most accurate one first; ``random``."""

    margins: bool = True
    """Whether a verdict's score margin says how sure it is."""

    witnesses: Literal["joint", "independent"] = "joint"
    """Whether what RMs share is allowed for."""

    reading: bool = True
    """Whether the router's own reading of the pair counts as a witness."""


class CascadeSettings(EvidenceSettings):
    """Ask until the label is sure enough (``annotators.cascade``)."""

    budget: float = Field(default=1.35, gt=0, allow_inf_nan=False)
    """Mean per pair, in ``unit``."""

    unit: Unit = "call"
    """Of the budget."""

    low_evidence: Literal["keep", "weigh", "drop"] = "keep"
    """What becomes of a label that is not sure. ``weigh``: its weight is 2 P(right) - 1; ``drop``: without a label
    below ``drop_below``."""

    drop_below: float = Field(default=0.6, ge=0.5, le=1)
    """P(right) under which ``drop`` drops."""

    keep_budget: bool = False
    """Move the threshold after every batch, so that the budget is kept on these pairs too."""

    @property
    def evidence(self) -> EvidenceSettings:
        """These settings without what is decided afterwards: cascades of all budgets share the rest."""
        return EvidenceSettings(**{name: getattr(self, name) for name in EvidenceSettings.model_fields})


class CostFile(StrictModel):
    """The file of ``evaluate --costs``: what a call to each reward model costs, by its name."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Cost] = Field(init=False)


class CostSettings(StrictModel):
    """One call per pair, to the RM with the highest accuracy less its cost (``annotators.cost_aware``)."""

    budget: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Mean cost per pair: the price is found that keeps it. Excludes ``price``."""

    price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Accuracy that one unit of cost is worth."""

    unit: Unit = "cost"
    """Of the costs."""
