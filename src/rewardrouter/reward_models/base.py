"""The seam behind which every reward model stands.

A reward model is anything that can judge a pair: a classifier that scores each
response (*pointwise*), a judge that names the better one (*pairwise*), or a
recording of either. An implementation is a name and one method::

    class LongerIsBetter:
        name = "longer"

        def judge(self, pairs):
            return [
                Verdict.from_scores(self.name, len(str(p.response_a)), len(str(p.response_b)))
                for p in pairs
            ]

``rewardrouter.testing.check_reward_model`` says whether one keeps the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from rewardrouter.pairs import PreferencePair
from rewardrouter.verdicts import Verdict


@runtime_checkable
class RewardModel(Protocol):
    """Anything that can judge a preference pair."""

    @property
    def name(self) -> str:
        """The stable name of this RM: the arm's name in the router."""

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return one verdict per pair, in the order of ``pairs``.

        A call that fails for one pair is a failed :class:`Verdict`, never an
        exception and never a missing entry. Exchanging the two responses of a
        pair exchanges the winner.
        """


@runtime_checkable
class Identified(Protocol):
    """A reward model that can say exactly which one it is, for manifests."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON values that decide its verdicts, and ``source``, where it was found, which does not."""


def identity_of(model: RewardModel) -> Mapping[str, Any]:
    """Return what a reward model says it is, or its class where it says nothing."""
    if isinstance(model, Identified):
        return model.identity
    return {"kind": f"{type(model).__module__}.{type(model).__qualname__}"}


@runtime_checkable
class Counting(Protocol):
    """A reward model that counts what it reads."""

    def notes(self) -> list[str]:
        """Return what a reader should know of what it has read, a line each."""


@runtime_checkable
class Resident(Counting, Protocol):
    """A reward model that holds memory while it is used, and counts what it reads."""

    def load(self) -> None:
        """Take the memory now instead of at the first call."""

    def unload(self) -> None:
        """Give the memory back; a later call takes it again."""


@runtime_checkable
class Immediate(Protocol):
    """A reward model whose answers are at hand: nothing is gained by asking it while others are asked."""

    @property
    def immediate(self) -> Literal[True]:
        """Always true."""


@runtime_checkable
class Apart(Protocol):
    """A reward model that works elsewhere, in other processes or on a server: others can be asked meanwhile.

    :meth:`RewardModel.judge` may be called while the model itself or another one is asked in another thread.
    """

    @property
    def apart(self) -> Literal[True]:
        """Always true."""


@runtime_checkable
class ReadsMetadata(Protocol):
    """A reward model whose verdict depends on more than a pair's texts, such as a gold answer: it is never cached."""

    @property
    def reads_metadata(self) -> Literal[True]:
        """Always true."""
