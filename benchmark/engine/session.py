"""What a program knows of a Ray cluster while it works there: whether it lives, and how many jobs fit on it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmark.engine.connection import answers, connected
from benchmark.engine.nodes import check_nodes
from models.errors import UserError

INTERVAL = 3.0
"""Seconds between two looks at the cluster's head."""

HEAD_PATIENCE = 25.0
"""Seconds that the head may be silent. After 60 s Ray would end this process itself, in the middle of anything."""

ANSWER_PATIENCE = 5.0
"""Seconds that an answer of the head is waited for before it counts as silent."""

NODE_PATIENCE = 120.0
"""Seconds that a cluster may be without any node that can run a job: time for an autoscaler to start one."""


class Session:
    """An open connection to a cluster.

    Arguments:
        name: How messages call the cluster.
        head: Host and port at which the head of the cluster answers.
        gpus: Graphics processors that one job takes, besides one processor.
    """

    def __init__(self, *, name: str, head: tuple[str, int], gpus: float) -> None:
        self.name = name
        self._head = head
        self._gpus = gpus
        self._slots = 0
        self._nodes: dict[str, str] = {}
        self._looked = float("-inf")
        self._silent: float | None = None
        self._question: Question | None = None
        self._empty: float | None = None

    def slots(self) -> int:
        """Return how many jobs the living nodes can run at once; cheap, to be called all the time.

        Raises:
            UserError: The head has been silent, or no node has been able to run a job, for too long.
        """
        now = time.monotonic()
        if now - self._looked < INTERVAL:
            return self._slots
        self._looked = now
        nodes = self._ask()
        if nodes is None:
            self._silent = self._silent or now
            if time.monotonic() - self._silent > HEAD_PATIENCE:
                raise self.loss()
            return self._slots
        self._silent = None
        self._slots = sum(room(node, gpus=self._gpus) for node in nodes)
        alive = {node["NodeID"]: node["NodeName"] for node in nodes}
        for lost in self._nodes.keys() - alive.keys():
            logging.getLogger(__name__).warning("node %s is lost: its jobs run again elsewhere", self._nodes[lost])
        self._nodes = alive
        self._empty = None if self._slots else self._empty or now
        if self._empty is not None and now - self._empty > NODE_PATIENCE:
            kind = f"with {self._gpus:g} GPU and a processor" if self._gpus else "with a processor"
            raise UserError(
                f"{self.name} has had no node {kind} for {NODE_PATIENCE:.0f} s: add nodes (ray start "
                "--address=HOST:PORT on each), then run the same command (it continues)"
            )
        return self._slots

    def _ask(self) -> list[Mapping[str, Any]] | None:
        # A head that is gone or frozen never answers, and the system may go on taking connections in its name: a plain
        # connection tells the one at once, a question with a time limit the other. No second question while one waits.
        if not answers(self._head, seconds=2):
            return None
        self._question = self._question or Question()
        nodes = self._question.answer(seconds=ANSWER_PATIENCE)
        if nodes is not None:
            self._question = None
        return nodes

    def loss(self) -> UserError:
        """Return the sentence for a cluster that is gone."""
        return UserError(
            f"{self.name} no longer answers at {self._head[0]}:{self._head[1]}: start it again (ray start --head), "
            "then run the same command (it continues)"
        )


class Question:
    """`living_nodes`, asked beside the program, which need not wait for the answer."""

    def __init__(self) -> None:
        self._nodes: list[Mapping[str, Any]] | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._nodes = living_nodes()
        except Exception as error:  # raised again where the answer is wanted
            self._error = error

    def answer(self, *, seconds: float) -> list[Mapping[str, Any]] | None:
        """Return the nodes, or None where they are not known within so many seconds.

        Raises:
            Exception: Whatever Ray raised at the question.
        """
        self._thread.join(seconds)
        if self._error is not None:
            raise self._error
        return self._nodes


def living_nodes() -> list[Mapping[str, Any]]:
    """Return Ray's description of every node that is alive."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def room(node: Mapping[str, Any], *, gpus: float) -> int:
    """Return how many jobs of one processor and `gpus` graphics processors fit on an idle node."""
    resources = node["Resources"]
    processors = int(resources.get("CPU", 0))
    # Ray cannot spread a share over two devices: of 0.4 GPU, two fit on each.
    per_device = int(1 / gpus + 1e-9) if 0 < gpus < 1 else 0
    devices = int(resources.get("GPU", 0))
    if not gpus:
        return processors
    return min(processors, devices * per_device if per_device else int(devices / gpus))


@contextmanager
def open_session(address: str | None, *, gpus: float = 0) -> Iterator[Session]:
    """Join the cluster at `address`, or start one here, and check that its nodes run this code.

    A cluster that was joined is left as it was found; one that was started here ends with the block, however that ends.
    Inside a program that has joined a cluster itself, that one is used and stays joined.

    Arguments:
        address: `HOST:PORT` of the head, `"auto"` for the cluster this machine belongs to, `ray://HOST:PORT` for Ray's
            client server (from a machine outside the cluster), or None to start a cluster of this machine alone.
        gpus: Graphics processors that one job takes.

    Yields:
        The session.

    Raises:
        UserError: Ray is not installed, the cluster cannot be reached, or a node does not run this code.
    """
    name = "the Ray on this machine" if address is None else f"the Ray cluster at {address}"
    with connected(address) as head:
        import ray

        session = Session(name=name, head=head, gpus=gpus)
        try:
            check_nodes([node for node in living_nodes() if room(node, gpus=gpus)], cluster=name)
            yield session
        except ConnectionError:
            if ray.is_initialized():
                raise  # a job's own
            raise session.loss() from None
