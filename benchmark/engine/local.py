"""Independent jobs in a pool of processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from ctypes import c_int64
from multiprocessing import connection
from types import FrameType
from typing import Any, TypeVar

from models.errors import UserError

J = TypeVar("J")
R = TypeVar("R")

GRACE = 0.7
"""Seconds in which workers that are told to stop may put away what they were writing."""

_counter: Any = None
_pools: set[ProcessPoolExecutor] = set()
_working = False


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
    signal.signal(signal.SIGTERM, _stop_working)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    try:
        import cv2

        cv2.setNumThreads(1)
    except ImportError:
        pass
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()


class _Stopped(BaseException):
    """A worker is told to stop; what it was writing is put away on the way out."""


def _stop_working(number: int, frame: FrameType | None) -> None:
    if not _working:
        os._exit(128 + number)
    raise _Stopped


def _work(function: Callable[[J], R], job: J) -> R:
    """Do a job in a worker, which ends in the middle of it when it is told to stop."""
    global _working  # noqa: PLW0603 - see _start_worker
    _working = True
    try:
        return function(job)
    except _Stopped:
        os._exit(128 + signal.SIGTERM)
    finally:
        _working = False


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C wait while the block runs. Processes started by it never see it: they are stopped by this one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop_pools() -> None:
    """Stop all worker processes at once: what they were doing is done again by the next run."""
    for pool in list(_pools):
        _stop(pool)


def _stop(pool: ProcessPoolExecutor) -> None:
    """End a pool whose jobs are of no use any more, its processes first told to, then made to."""
    _pools.discard(pool)
    alive = {worker.sentinel: worker for worker in (pool._processes or {}).values()}  # no public way before Python 3.14
    for worker in alive.values():
        worker.terminate()
    until = time.monotonic() + GRACE
    while alive and (left := until - time.monotonic()) > 0:
        for sentinel in connection.wait(list(alive), left):
            del alive[sentinel]  # pyright: ignore[reportArgumentType]
    for worker in alive.values():
        worker.kill()
    pool.shutdown(wait=True, cancel_futures=True)


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
    _pools.add(pool)
    abandoned = True
    try:
        with _interrupts_held():
            waiting: set[Future[R]] = {pool.submit(_work, function, job) for job in jobs}
        while waiting:
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            progress(counter.value)
            for future in done:
                yield future.result()
        abandoned = False
    except BrokenProcessPool:
        abandoned = False
        raise UserError(
            "a worker process was killed, perhaps for want of memory: run the same command again (it continues), "
            f"with fewer than {workers} --workers"
        ) from None
    except Exception:
        abandoned = False
        raise
    finally:
        if abandoned:  # by an interrupt, or because nobody wants the results any more
            _stop(pool)
        _pools.discard(pool)
        pool.shutdown(wait=True, cancel_futures=True)
