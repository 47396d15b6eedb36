"""Where independent jobs run: the one switch between a pool of processes on this machine and a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar

from benchmark.engine.local import advance, default_workers, run_locally
from models.errors import UserError

__all__ = ["ENGINES", "Engine", "advance", "cluster_address", "default_workers", "run_jobs"]

J = TypeVar("J")
R = TypeVar("R")

Engine = Literal["local", "ray"]
ENGINES: tuple[Engine, ...] = ("local", "ray")


def cluster_address(engine: Engine, address: str | None) -> str | None:
    """Return the cluster that is meant: the address given, or with Ray that of `RAY_ADDRESS`, as its jobs have it."""
    return address or (os.environ.get("RAY_ADDRESS") if engine == "ray" else None)


def run_jobs(
    function: Callable[[J], R],
    jobs: Sequence[J],
    *,
    workers: int,
    engine: Engine = "local",
    address: str | None = None,
    weight: Callable[[J], int] = lambda job: 1,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[R]:
    """Run `function` over `jobs` and yield the results as they come.

    Arguments:
        function: A module-level function; locally it may call `advance` to report units of work.
        jobs: Picklable arguments, one a job.
        workers: Number of local processes, 0 for none; a cluster uses all of its processors.
        engine: `"local"` or `"ray"`.
        address: The cluster to join, for `"ray"`; None starts one on this machine and ends it afterwards.
        weight: Units of work of a job, by which a cluster's progress is counted.
        progress: Called with the number of units done so far.

    Raises:
        UserError: A worker process was killed, the cluster cannot be reached, or an address was given without Ray.
        Exception: Whatever a job raises; jobs not yet started are dropped.
    """
    if engine == "ray":
        from benchmark.engine.cluster import run_on_cluster

        yield from run_on_cluster(function, jobs, address=address, progress=progress, weight=weight)
        return
    if address is not None:
        raise UserError(f"--address {address} belongs to a Ray cluster: add --engine ray")
    yield from run_locally(function, jobs, workers=workers, progress=progress)
