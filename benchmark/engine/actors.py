"""Independent jobs on a Ray cluster, by actors: each builds its function once, such as one that loads a model.

The pool is plain actors that are never restarted: the jobs of a lost one go back to the queue, and a new one is started
when there is room for it. Ray can restart an actor itself, but one that finds no free device after its node is lost
keeps its jobs waiting for ever. Ray Data has an actor pool, too, but it takes and gives blocks of rows, not jobs, and a
job's exception comes out of it wrapped.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from benchmark.engine.failures import RETRIES, cause_of, deaths
from benchmark.engine.nodes import Fingerprint, fingerprint, prepare_worker
from benchmark.engine.session import open_session

J = TypeVar("J")
R = TypeVar("R")

AHEAD = 2
"""Jobs given to an actor at a time while there are many: one it works on, and the next."""

TURN = 1.0
"""Seconds after which a wait for results is broken off to look at the cluster."""


class Worker(Generic[J, R]):
    """What lives in an actor: a function that was costly to build.

    Arguments:
        make: Builds the function.
        expected: The fingerprint of the program's code.
    """

    def __init__(self, make: Callable[[], Callable[[J], R]], expected: Fingerprint) -> None:
        self._make = make
        self._expected = expected
        self._function: Callable[[J], R] | None = None

    def build(self) -> None:
        """Build the function. Not done by the constructor, whose exceptions Ray takes for a death of the actor."""
        prepare_worker(self._expected)
        self._function = self._make()

    def work(self, job: J) -> R:
        """Return the function's result for a job."""
        assert self._function is not None
        return self._function(job)


def actors_on_cluster(
    make: Callable[[], Callable[[J], R]],
    jobs: Sequence[J],
    *,
    address: str | None,
    progress: Callable[[int], None] = lambda done: None,
    weight: Callable[[J], int] = lambda job: 1,
    gpus: float = 0,
    actors: int | None = None,
) -> Iterator[R]:
    """Run jobs by actors on a Ray cluster and yield the results as they come, each exactly once.

    There are as many actors as fit on the living nodes: more when a node joins, fewer when one is lost.

    Arguments:
        make: Called once in each actor; returns the function that turns a job into its result.
        jobs: Picklable arguments, one a job.
        address: The cluster, as `benchmark.engine.session.open_session` takes it; None starts one on this machine.
        progress: Called with the units of work of all finished jobs.
        weight: Units of work of a job.
        gpus: Graphics processors that an actor holds, besides one processor; a fraction shares one.
        actors: The largest number of actors; None for as many as fit.

    Raises:
        UserError: Ray is not installed, the cluster cannot be reached or is lost, a node does not run this code, or a
            job or `make` has killed its actor again and again.
        Exception: Whatever `make` or a job raises; jobs not yet started are dropped.
    """
    if not jobs:
        return
    with open_session(address, gpus=gpus) as session:
        import ray
        from ray.exceptions import RayError

        kind: Any = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)(Worker)
        queue = deque(range(len(jobs)))
        busy: dict[Any, tuple[Any, int | None]] = {}  # what is awaited: the actor, and the job or None while it builds
        losses: Counter[int | None] = Counter()
        done = 0
        while queue or any(job is not None for _, job in busy.values()):
            crew = {actor for actor, _ in busy.values()}
            limit = min(max(session.slots(), 1), actors or len(jobs), len(queue))
            for _ in range(limit - len(crew)):
                actor = kind.remote(make, fingerprint())
                busy[actor.build.remote()] = (actor, None)
            ready, _ = ray.wait(list(busy), num_returns=1, timeout=TURN)
            if not ready:
                continue
            actor, job = busy.pop(ready[0])
            try:
                result: Any = ray.get(ready.pop())
            except deaths() as error:
                losses[job] += 1
                if losses[job] > RETRIES:
                    raise cause_of(error, cluster=session.name) from None
                if job is not None:
                    queue.appendleft(job)
                continue
            except RayError as error:
                raise cause_of(error, cluster=session.name) from None
            load = sum(other is actor for other, _ in busy.values())
            # Towards the end one at a time, so that no job waits behind another while an actor has none.
            while queue and load < (AHEAD if len(queue) > len(crew) else 1):
                following = queue.popleft()
                busy[actor.work.remote(jobs[following])] = (actor, following)
                load += 1
            del actor  # without a job left, Ray ends it and its place is free
            if job is None:
                losses[None] = 0
                continue
            done += weight(jobs[job])
            progress(done)
            yield result
            del result
