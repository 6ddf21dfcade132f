"""What a replay was asked for, as ``config.yaml`` of its folder: a run goes on only with the same."""

from __future__ import annotations

from rewardrouter.config.base import StrictModel
from rewardrouter.config.replay import ReplayConfig


class RunConfig(StrictModel):
    """A replay.

    Strategies and seeds may be added to a run later, and the number of processes changed: neither touches the
    units that there are.
    """

    verdicts: str
    """The stream: labelled pairs with verdicts."""

    router: str
    """Folder of the router."""

    policy_texts: str | None = None
    """Pairs whose texts the small policy is first trained on as a language model; by default the stream's."""

    rms: tuple[str, ...]
    """The pool, in the router's order."""

    replay: ReplayConfig = ReplayConfig()
    """Everything else."""
