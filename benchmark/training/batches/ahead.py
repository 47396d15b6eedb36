"""Batches prepared ahead by threads, handed out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def made_ahead(make: Callable[[int], T], *, start: int, workers: int) -> Iterator[T]:
    """Yield `make(start)`, `make(start + 1)`, ... without end, while `workers` threads make the next ones.

    Threads are enough: copying, mirroring, resizing and converting all release the interpreter's lock. They share the
    memory map, and start at once. Closing the iterator, or dropping it, stops them.

    Arguments:
        make: A function of its argument alone; it is called from several threads.
        start: The first argument.
        workers: Threads; 0 makes each item when it is asked for.
    """
    if workers == 0:
        while True:
            yield make(start)
            start += 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
    waiting: deque[Future[T]] = deque()
    try:
        while True:
            # One more than there are threads: what is handed out next, while all of them are busy.
            while len(waiting) <= workers:
                waiting.append(pool.submit(make, start))
                start += 1
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
