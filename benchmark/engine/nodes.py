"""What a node must have to work for us: this code and these libraries, for other ones write other bytes."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from models.errors import UserError

J = TypeVar("J")
R = TypeVar("R")

LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "pyarrow", "scikit-image", "scipy")
"""Libraries whose version can move a byte of what a job returns."""

PATIENCE = 120.0
"""Seconds that a node may take to answer; most of it is the start of a worker process."""

Fingerprint = tuple[tuple[str, str], ...]


def fingerprint() -> Fingerprint:
    """Return the versions that have to be equal on all nodes, as pairs of a name and a version."""
    from benchmark import __version__

    versions = [("daclip-bench", __version__)]
    for library in LIBRARIES:
        try:
            versions.append((library, importlib.metadata.version(library)))
        except importlib.metadata.PackageNotFoundError:
            versions.append((library, "absent"))
    return tuple(versions)


def code_digest() -> Fingerprint:
    """Return a digest of this package's code, as `fingerprint` returns versions: checkouts may share a version."""
    import benchmark

    root = Path(benchmark.__file__).parents[1]
    digest = hashlib.sha256()
    for room in ("models", "captioning", "benchmark"):
        for file in sorted((root / room).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return (("daclip-bench's code", digest.hexdigest()[:12]),)


@functools.cache
def prepare_worker(expected: Fingerprint) -> None:
    """Make this worker process ready, once: one thread, and the versions that the program runs.

    Every process asks for itself because a node may join while the program runs. Ray itself has set `OMP_NUM_THREADS`
    to the job's one processor.

    Raises:
        UserError: A version on this node differs from `expected`.
    """
    try:
        import cv2

        cv2.setNumThreads(1)
    except ImportError:
        pass
    if difference := _difference(dict(expected), dict(fingerprint())):
        raise UserError(f"node {os.uname().nodename} {difference}: install the same versions on every node")


def as_task(function: Callable[[J], R]) -> Callable[[J], R]:
    """Return a function that prepares its worker process and calls `function`."""
    expected = fingerprint()

    def run(job: J) -> R:
        prepare_worker(expected)
        return function(job)

    return run


def check_nodes(nodes: Sequence[Mapping[str, Any]], *, cluster: str) -> None:
    """Ask every node, with a task that takes no processor, whether it can import this package in this version.

    Arguments:
        nodes: Ray's descriptions of the nodes.
        cluster: How messages call the cluster.

    Raises:
        UserError: A node cannot, or does not answer; the sentence names each.
    """
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def probe() -> Fingerprint | str:
        # Pickled by value, as a local function: it has to run where this module cannot be imported.
        try:
            from benchmark.engine.nodes import code_digest, fingerprint

            return fingerprint() + code_digest()
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    before = code_digest()
    asked: dict[Any, Mapping[str, Any]] = {}
    for node in nodes:
        only_there: Any = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=only_there)(probe)
        asked[task.remote()] = node
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=PATIENCE) if asked else ([], [])
    faults = [f"{_name(asked[task])} has not answered within {PATIENCE:.0f} s" for task in silent]
    after = code_digest()
    for task in answered:
        try:
            answer = ray.get(task)
        except RayError as error:
            if any(node["Alive"] and node["NodeID"] == asked[task]["NodeID"] for node in ray.nodes()):
                faults.append(f"{_name(asked[task])} cannot run a task ({str(error).strip().splitlines()[0]})")
            continue
        if isinstance(answer, str):
            faults.append(f"{_name(asked[task])} cannot import daclip-bench ({answer})")
            continue
        # A file saved while the nodes were being asked is no difference between them and this machine.
        here = fingerprint() + (after if answer[-1:] == after else before)
        if difference := _difference(dict(here), dict(answer)):
            faults.append(f"{_name(asked[task])} {difference}")
    if faults:
        raise UserError(
            f"{len(faults)} of the {len(nodes)} nodes of {cluster} cannot be used, {'; '.join(faults)}: install this "
            "version of daclip-bench with the same libraries on every node"
        )


def _difference(here: dict[str, str], there: dict[str, str]) -> str:
    other = [name for name, version in here.items() if there.get(name) != version]
    told = ", ".join(f"{name} {there.get(name, 'absent')} instead of {here[name]}" for name in other)
    return f"has {told}" if told else ""


def _name(node: Mapping[str, Any]) -> str:
    return f"{node['NodeName']} ({node['NodeManagerHostname']})"
