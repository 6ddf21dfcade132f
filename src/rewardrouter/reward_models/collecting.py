"""Every reward model of a pool on every pair.

Models of this process are asked one after the other, so that one is in memory at a time. Those that work elsewhere
(servers, judges, models on Ray) are asked meanwhile, each in a thread, a chunk at a time.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from rewardrouter.datasets.pairs import LoadedPairs
from rewardrouter.datasets.verdict_folder import stands
from rewardrouter.datasets.verdict_writer import VerdictWriter
from rewardrouter.pairs import PreferencePair
from rewardrouter.progress import end_displays, log, progress
from rewardrouter.reward_models.accounts import Account
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.verdicts import Verdict


@dataclasses.dataclass(frozen=True, slots=True)
class Tally:
    """What has been collected of one RM, in this run and before."""

    rm: str
    calls_now: int
    """Pairs asked about in this run, repeated ones included; what the pool's cache knew is not among them."""
    verdicts: int
    """Pairs with an answer: A, B or a tie."""
    ties: int
    failures: int
    """Pairs whose call failed."""
    reason: str | None
    """The commonest reason of a failure."""
    accuracy: float | None
    """Share of labelled pairs with the right answer among those answered A or B; ``None`` without any."""
    seconds_per_1000: float | None
    """Wall-clock of the calls of this run per 1,000 pairs asked about, loading left out; ``None`` without any,
    and for recordings. RMs that were asked at the same time may have slowed each other."""
    cached_now: int = 0
    """Pairs that the pool's cache answered in this run."""
    repeating: int = 0
    """Of ``failures``, those that asking again would not change."""
    cost_now: float | None = None
    """Price of those of ``calls_now`` that an answer came to; ``None`` for an RM without a price."""


def collect_verdicts(
    pool: RewardModelPool, loaded: LoadedPairs, writer: VerdictWriter, *, chunk: int, retries: int = 0
) -> list[Tally]:
    """Ask every RM about every pair on which it has no verdict yet.

    Pairs are asked in chunks of the file's order, each on disk before the RM's next is begun. The chunks do not depend
    on what is there already, so a run that was killed asks what was in flight again in the same way.

    Parameters
    ----------
    pool, loaded
        The RMs and the pairs.
    writer
        An open one, of these pairs and at least these RMs.
    chunk
        Pairs of one call.
    retries
        How often calls of an RM that fail in this run are made again.

    Raises
    ------
    DataError
        If a chunk cannot be written.
    CheckpointError
        If an RM's weights cannot be loaded.
    """
    before = pool.accounts()
    _Collection(pool, loaded.pairs, writer, chunk, retries).run()
    after = pool.accounts()
    return [
        _tally(before[rm], after[rm], loaded, writer.verdicts(rm), live=rm in pool.live) for rm in pool.names
    ]


class _Collection:
    """The calls of one run: an RM that fails, or an interruption, ends those of all."""

    def __init__(
        self,
        pool: RewardModelPool,
        pairs: Sequence[PreferencePair],
        writer: VerdictWriter,
        chunk: int,
        retries: int,
    ) -> None:
        self._pool, self._pairs, self._writer = pool, pairs, writer
        self._chunk, self._retries = chunk, retries
        self._writing = threading.Lock()
        self._stopped = False

    def run(self) -> None:
        """Ask every RM."""
        apart = self._pool.apart if len(self._pool) > 1 else ()
        ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        for rm in apart:  # daemons: who is interrupted waits for no RM
            threading.Thread(
                target=self._ask_apart, args=(rm, ended), name=f"collect {rm}", daemon=True
            ).start()
        try:
            for rm in self._pool.names:
                if rm not in apart:
                    self._ask_here(rm)
            for _ in apart:
                if (error := ended.get()) is not None:
                    raise error
        except BaseException:
            with self._writing:
                self._stopped = True
            end_displays()
            raise

    def _ask_here(self, rm: str) -> None:
        try:
            self._ask(rm)
        finally:
            self._unload(rm)

    def _ask_apart(self, rm: str, ended: queue.SimpleQueue[BaseException | None]) -> None:
        try:
            self._ask(rm)
            if not self._stopped:  # else what it works on may be gone with the pool
                self._unload(rm)
        except BaseException as error:
            self._stopped = True
            ended.put(error)
        else:
            ended.put(None)

    def _unload(self, rm: str) -> None:
        for note in self._pool.unload(rm):
            log(note)

    def _ask(self, rm: str) -> None:
        for attempt in range(1 + self._retries):
            chunks = _unanswered(self._pairs, self._writer.verdicts(rm), self._chunk)
            asked = sum(len(pairs) for pairs in chunks)
            if not asked or self._stopped:
                return
            if not attempt and asked < len(self._pairs):
                log(f"{rm}: {len(self._pairs) - asked:,} of {len(self._pairs):,} pairs are answered already")
            with progress(f"retry {rm}" if attempt else rm, asked) as advance:
                for pairs in chunks:
                    verdicts = self._pool.judge(rm, pairs)
                    with self._writing:
                        if self._stopped:
                            return
                        self._writer.append(pairs, verdicts)
                    advance(len(pairs))


def _unanswered(
    pairs: Sequence[PreferencePair], verdicts: Mapping[str, Verdict], chunk: int
) -> list[list[PreferencePair]]:
    """Return the pairs without a verdict, in chunks that cut the file at the same places whatever is missing."""
    cut = (pairs[start : start + chunk] for start in range(0, len(pairs), chunk))
    missing = ([p for p in part if p.id not in verdicts or not stands(verdicts[p.id])] for part in cut)
    return [part for part in missing if part]


def _tally(
    before: Account, after: Account, loaded: LoadedPairs, verdicts: Mapping[str, Verdict], *, live: bool
) -> Tally:
    calls = after.pairs - before.pairs
    found = [verdicts[pair.id] for pair in loaded.pairs]
    reasons = Counter(verdict.error for verdict in found if verdict.error is not None)
    right = [v.label == label for v, label in zip(found, loaded.labels, strict=True) if v.label and label]
    return Tally(
        rm=after.rm,
        calls_now=calls,
        verdicts=sum(verdict.winner is not None for verdict in found),
        ties=sum(verdict.winner == "tie" for verdict in found),
        failures=sum(reasons.values()),
        repeating=sum(verdict.repeats for verdict in found),
        reason=reasons.most_common(1)[0][0] if reasons else None,
        accuracy=sum(right) / len(right) if right else None,
        # Not the verdicts' seconds: those of requests that were under way at once overlap.
        seconds_per_1000=1000 * (after.seconds - before.seconds) / calls if calls and live else None,
        cached_now=after.cached - before.cached,
        cost_now=None
        if after.price is None
        else after.price * (calls - (after.unanswered - before.unanswered)),
    )
