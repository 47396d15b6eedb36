"""Independent jobs on a Ray cluster, as tasks: each may run on any node, and again on another when its node is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from benchmark.engine.actors import actors_on_cluster
from benchmark.engine.failures import RETRIES, cause_of
from benchmark.engine.nodes import as_task
from benchmark.engine.session import open_session

__all__ = ["actors_on_cluster", "run_on_cluster"]

J = TypeVar("J")
R = TypeVar("R")

AHEAD = 2
"""Tasks in flight for each processor: one runs and one waits, so that neither workers idle nor results pile up."""

TURN = 1.0
"""Seconds after which a wait for results is broken off to look at the cluster."""


def run_on_cluster(
    function: Callable[[J], R],
    jobs: Sequence[J],
    *,
    address: str | None,
    progress: Callable[[int], None] = lambda done: None,
    weight: Callable[[J], int] = lambda job: 1,
    gpus: float = 0,
) -> Iterator[R]:
    """Run `function` over `jobs` on a Ray cluster and yield the results as they come, each exactly once.

    A job whose worker or node dies runs again elsewhere, and so does a finished one whose result died with its node.
    Jobs must therefore depend on nothing but their argument.

    Arguments:
        function: A function that the nodes can import.
        jobs: Picklable arguments, one a job.
        address: The cluster, as `benchmark.engine.session.open_session` takes it; None starts one on this machine.
        progress: Called with the units of work of all finished jobs.
        weight: Units of work of a job.
        gpus: Graphics processors that one job takes, besides one processor.

    Raises:
        UserError: Ray is not installed, the cluster cannot be reached or is lost, a node does not run this code, or a
            job has killed its worker again and again.
        Exception: Whatever a job raises; jobs not yet started are dropped.
    """
    if not jobs:
        return
    with open_session(address, gpus=gpus) as session:
        import ray
        from ray.exceptions import RayError

        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(as_task(function))
        waiting: dict[Any, int] = {}
        begun = done = 0
        try:
            while begun < len(jobs) or waiting:
                limit = AHEAD * max(session.slots(), 1)  # one at least, for an autoscaler starts nodes only on demand
                while begun < len(jobs) and len(waiting) < limit:
                    waiting[task.remote(jobs[begun])] = begun
                    begun += 1
                ready, _ = ray.wait(list(waiting), num_returns=1, timeout=TURN)
                if not ready:
                    continue
                done += weight(jobs[waiting.pop(ready[0])])
                try:
                    # The last reference goes before the result is used: the cluster may forget it.
                    result = ray.get(ready.pop())
                except RayError as error:
                    raise cause_of(error, cluster=session.name) from None
                progress(done)
                yield result
                del result
        finally:
            if ray.is_initialized():  # or the question itself would join a cluster
                for left in waiting:
                    ray.cancel(left, force=True)
