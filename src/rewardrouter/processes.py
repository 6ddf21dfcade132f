"""Work shared out to processes that are begun afresh, and die with the one that began them; and to threads.

A process whose parent was killed would go on writing to files that a resumed run writes to.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Sequence


def run_jobs(jobs: Sequence[Callable[[], None]], processes: int, advance: Callable[[int], None]) -> None:
    """Run every job, in ``processes`` processes at once; ``advance`` is called with 1 after each.

    Jobs must be picklable. The first error of one ends all and is raised here. With one process, they run in this
    one.
    """
    if processes == 1 or len(jobs) < 2:
        for job in jobs:
            job()
            advance(1)
        return
    with concurrent.futures.ProcessPoolExecutor(
        min(processes, len(jobs)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=end_with_parent,
    ) as pool:
        try:
            for done in concurrent.futures.as_completed([pool.submit(job) for job in jobs]):
                done.result()
                advance(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def end_with_parent() -> None:
    """Make this process stop as soon as the one that began it is gone."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch, BLAS and OpenMP compute in one thread: small matrices gain nothing from more.

    On a busy machine they lose much, as every operation waits for its slowest thread.
    """
    import threadpoolctl
    import torch

    before = torch.get_num_threads()
    with threadpoolctl.threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
