"""Independent jobs in a pool of processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from ctypes import c_int64
from typing import Any, TypeVar

from models.errors import UserError

J = TypeVar("J")
R = TypeVar("R")

_counter: Any = None


class _PlainCounter:
    """Counts in one process, where no lock is needed."""

    value = 0

    def get_lock(self) -> nullcontext[None]:
        return nullcontext()


def advance(steps: int = 1) -> None:
    """Tell the parent process that `steps` units of work are done; called by jobs, for the progress bar."""
    if _counter is not None:
        with _counter.get_lock():
            _counter.value += steps


def _start_worker(counter: Any, parent: int) -> None:
    global _counter  # noqa: PLW0603 - a process pool has no other place for per-process state
    _counter = counter
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    try:
        import cv2

        cv2.setNumThreads(1)
    except ImportError:
        pass
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()


def _leave_with_parent(parent: int) -> None:
    # A killed parent cannot stop its workers; without this they would go on writing into a folder nobody holds.
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def default_workers() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_locally(
    function: Callable[[J], R],
    jobs: Sequence[J],
    *,
    workers: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[R]:
    """Run `function` over `jobs` in worker processes and yield the results as they come.

    Arguments:
        function: A module-level function; it may call `advance` to report units of work.
        jobs: Picklable arguments, one a job.
        workers: Number of processes; 0 runs everything in this one.
        progress: Called with the number of units done so far, a few times a second.

    Raises:
        UserError: A worker process was killed, as the system does when memory runs out.
        Exception: Whatever a job raises; jobs not yet started are dropped.
    """
    global _counter  # noqa: PLW0603 - see _start_worker
    if workers == 0:
        counter = _counter = _PlainCounter()
        try:
            for job in jobs:
                yield function(job)
                progress(counter.value)
        finally:
            _counter = None
        return
    context = multiprocessing.get_context("spawn")
    counter = context.Value(c_int64, 0)
    pool = ProcessPoolExecutor(
        min(workers, max(len(jobs), 1)), mp_context=context, initializer=_start_worker, initargs=(counter, os.getpid())
    )
    try:
        waiting: set[Future[R]] = {pool.submit(function, job) for job in jobs}
        while waiting:
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            progress(counter.value)
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed, perhaps for want of memory: run the same command again (it continues), "
            f"with fewer than {workers} --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
