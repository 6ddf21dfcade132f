"""What a replay was asked for, as ``config.yaml`` of its folder: a run goes on only with the same."""

from __future__ import annotations

from rewardrouter.config.base import StrictModel
from rewardrouter.config.replay import ReplayConfig


class RunContent(StrictModel):
    """Digests of what a run reads: a file or folder of the same name may hold something else by now."""

    verdicts: str
    """Texts, labels, verdicts and domains of the stream."""

    router: str
    """Settings, weights and arms."""

    policy_texts: str | None
    """Texts that the small policy learns first, where others than the stream's."""


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

    content: RunContent
    """What was in the files."""
