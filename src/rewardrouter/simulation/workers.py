"""Units of a replay in several processes.

Every process loads the run's inputs once and works through units; it stops at once where its parent died.
"""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import functools
import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.sharedctypes import Synchronized
from typing import TYPE_CHECKING

from rewardrouter.errors import UserError
from rewardrouter.processes import end_with_parent

if TYPE_CHECKING:
    from rewardrouter.config.policy import PolicyConfig
    from rewardrouter.simulation.replay import Units
    from rewardrouter.simulation.run_folder import RunFolder

_POLL_SECONDS = 0.5

_process: _Process | None = None


def processes_for(policy: PolicyConfig | None) -> int:
    """Return how many processes units run in where nobody says: as many as cores, but one alone on a GPU.

    Every process loads the policy; on one device they would share its memory.

    Raises
    ------
    CheckpointError
        If this machine lacks the policy's device.
    """
    if policy is not None:
        from rewardrouter.pretrained.loading import resolve_device

        if resolve_device(policy.device).type != "cpu":
            return 1
    return os.cpu_count() or 1


def run_units(
    run: RunFolder,
    units: Sequence[tuple[str, int]],
    workers: int,
    advance: Callable[[int], None],
) -> None:
    """Run unfinished units, ``(strategy, seed)``, in ``workers`` processes; ``advance`` is told of batches done.

    Raises
    ------
    UserError
        If a process was killed from outside.
    """
    if not units:
        return
    if workers == 1:
        from rewardrouter.simulation.replay import Units

        own = Units(run)
        for strategy, seed in units:
            _run(own, run.config.rms, strategy, seed, advance)
        return
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    with concurrent.futures.ProcessPoolExecutor(
        min(workers, len(units)), mp_context=context, initializer=_begin, initargs=(run, done)
    ) as pool:
        waiting = {pool.submit(_work, run.config.rms, strategy, seed) for strategy, seed in units}
        shown = 0
        try:
            while waiting:
                finished, waiting = concurrent.futures.wait(waiting, _POLL_SECONDS)
                advance(done.value - shown)
                shown = done.value
                for one in finished:
                    one.result()
        except concurrent.futures.process.BrokenProcessPool:
            raise UserError(
                "a process of the run was killed, perhaps for want of memory; go on with --resume, and with fewer"
                " --workers"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


class _Process:
    """What a process of the pool keeps from one unit to the next."""

    def __init__(self, run: RunFolder, done: Synchronized[int]) -> None:
        self.run, self.done = run, done

    @functools.cached_property
    def units(self) -> Units:
        # Not at the process's start: an error there would only say that a process died.
        from rewardrouter.simulation.replay import Units

        return Units(self.run)

    def advance(self, batches: int) -> None:
        with self.done.get_lock():
            self.done.value += batches


def _begin(run: RunFolder, done: Synchronized[int]) -> None:
    global _process
    end_with_parent()
    _process = _Process(run, done)


def _work(rms: Sequence[str], strategy: str, seed: int) -> None:
    if _process is None:
        raise RuntimeError("a process of the pool was not set up")
    _run(_process.units, rms, strategy, seed, _process.advance)


def _run(units: Units, rms: Sequence[str], name: str, seed: int, advance: Callable[[int], None]) -> None:
    from rewardrouter.simulation.named import strategy_of

    before = 0
    for batches in units.run(strategy_of(name, rms), seed):
        advance(batches - before)
        before = batches
