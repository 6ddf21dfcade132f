"""A reward model that repeats verdicts recorded earlier.

It stands where the live model would: the same seam, the same failures. A
recording answers by content, not by row: a pair is looked up by its prompt and
its two responses, in either order, so a verdict can never be given to another
text that happens to share an id.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from rewardrouter.pairs import PreferencePair, Text, digest
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.verdicts import Unanswered, Verdict, VerdictTable

if TYPE_CHECKING:  # reading recordings needs pyarrow; whoever passes some has imported it
    from rewardrouter.datasets.recordings import Recordings

_Key: TypeAlias = tuple[Text, frozenset[Text]]


@dataclasses.dataclass(frozen=True, slots=True)
class _Record:
    """A verdict, the id it was recorded under, and which response was A then."""

    pair_id: str
    response_a: Text
    verdict: Verdict


class RecordedRewardModel:
    """One RM's recorded verdicts, replayed.

    A text recorded several times (under several ids, its responses in either
    order) answers with the recording of the same id where there is one, else
    with the first usable one.

    Parameters
    ----------
    name
        The RM's name.
    pairs, verdicts
        The pairs and the verdict on each, of equal length.
    """

    immediate = True

    def __init__(self, name: str, pairs: Sequence[PreferencePair], verdicts: Sequence[Verdict]) -> None:
        self.name = name
        self._records: dict[_Key, list[_Record]] = {}
        for pair, verdict in zip(pairs, verdicts, strict=True):
            self._records.setdefault(_key(pair), []).append(_Record(pair.id, pair.response_a, verdict))

    @property
    def identity(self) -> Mapping[str, Any]:
        """A digest of every record."""
        found = hashlib.sha256()
        for (prompt, responses), records in self._records.items():
            for record in records:
                verdict = dataclasses.replace(record.verdict, rm="")
                other = next((text for text in responses if text != record.response_a), record.response_a)
                found.update(
                    repr((digest(prompt, record.response_a, other), record.pair_id, verdict)).encode()
                )
        return {"kind": "recorded", "records": f"sha256:{found.hexdigest()}"}

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return the recorded verdict of each pair; a failed one where nothing was recorded."""
        return [self._judge_one(pair) for pair in pairs]

    def _judge_one(self, pair: PreferencePair) -> Verdict:
        found = self._records.get(_key(pair))
        if found is None:
            return Unanswered.failed(self.name, "no verdict recorded for this prompt and these responses")
        same_id = [record for record in found if record.pair_id == pair.id]
        usable = [record for record in found if record.verdict.winner is not None]
        record = (same_id or usable or found)[0]
        return record.verdict if record.response_a == pair.response_a else record.verdict.swapped()


def recorded_pool(
    recordings: Recordings | VerdictTable, *, prices: Mapping[str, float] | None = None
) -> RewardModelPool:
    """Return the pool of all RMs of some recordings, or of a table that was read from them.

    ``prices`` are those of a verdict, for RMs that have one.
    """
    models = []
    for n, rm in enumerate(recordings.rms):
        if isinstance(recordings, VerdictTable):
            verdicts = [recordings.verdict(row, rm) for row in range(len(recordings))]
        else:
            verdicts = [row[n] for row in recordings.verdicts]
        models.append(RecordedRewardModel(rm, recordings.pairs, verdicts))
    return RewardModelPool(models, prices=prices)


def _key(pair: PreferencePair) -> _Key:
    return pair.prompt, frozenset((pair.response_a, pair.response_b))
