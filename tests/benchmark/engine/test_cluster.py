"""Jobs on a Ray cluster of several nodes, which here are all on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmark
from benchmark.engine import cluster as tasks
from benchmark.engine import failures, run_jobs, session
from benchmark.engine.actors import actors_on_cluster
from benchmark.engine.cluster import run_on_cluster
from benchmark.engine.session import room
from models.errors import UserError
from models.files import sha256_bytes

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a head without processors and two nodes with one each; `first` and `second` are their names."""
    pytest.importorskip("ray")
    from ray import cloudpickle  # pyright: ignore[reportAttributeAccessIssue]
    from ray.cluster_utils import Cluster

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the nodes cannot import a test file
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        nodes.add_node(num_cpus=1, node_name="first")
        nodes.second = nodes.add_node(num_cpus=1, node_name="second")  # pyright: ignore[reportAttributeAccessIssue]
        yield nodes
        nodes.shutdown()


@pytest.fixture
def kill_second(cluster: Any) -> Iterator[Callable[[], None]]:
    """Give a function that kills the node `second` without warning; afterwards there is a new one."""
    yield lambda: cluster.remove_node(cluster.second, allow_graceful=False)
    if cluster.second not in cluster.worker_nodes:
        cluster.second = cluster.add_node(num_cpus=1, node_name="second")


def noise(seed: int) -> bytes:
    """Return bytes of a seed, too many for Ray to send them along with the task's reply."""
    return np.random.default_rng(seed).bytes(300_000)


def node_name() -> str:
    """Return the name of the node this runs on."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    return next(node["NodeName"] for node in ray.nodes() if node["NodeID"] == here)


def leave_mark(folder: Path, text: str) -> None:
    """Leave a file in `folder` that says what has run, and where."""
    (folder / f"{time.time_ns()}.{os.getpid()}").write_text(f"{text} {node_name()}")


def marks(folder: Path) -> list[tuple[str, str]]:
    """Return what has been left so far, as pairs of a text and the name of a node."""
    texts = [file.read_text().split() for file in sorted(folder.iterdir())]
    return [(text[0], text[1]) for text in texts if len(text) == 2]


def digests(results: Any) -> Counter[str]:
    return Counter(sha256_bytes(result) for result in results)


@pytest.mark.slow
def test_a_cluster_gives_the_results_of_the_local_pool(cluster: Any) -> None:
    told: list[int] = []
    jobs = range(40)
    there = run_jobs(
        noise, jobs, workers=0, engine="ray", address=cluster.address, weight=lambda job: job, progress=told.append
    )
    assert digests(there) == digests(run_jobs(noise, jobs, workers=2))
    assert told == sorted(told)
    assert (len(told), told[-1]) == (40, sum(jobs))


@pytest.mark.slow
def test_jobs_run_on_every_node_with_one_thread_each(cluster: Any) -> None:
    def look(job: int) -> tuple[str, str | None, int]:
        import cv2

        time.sleep(0.3)
        return node_name(), os.environ.get("OMP_NUM_THREADS"), cv2.getNumThreads()

    seen = set(run_on_cluster(look, range(12), address=cluster.address))
    assert seen == {("first", "1", 1), ("second", "1", 1)}


@pytest.mark.slow
def test_results_that_died_with_their_node_are_made_again(
    cluster: Any, kill_second: Callable[[], None], tmp_path: Path
) -> None:
    def job(seed: int) -> bytes:
        time.sleep(0.2)
        leave_mark(tmp_path, str(seed))
        return np.random.default_rng(seed).bytes(300_000)

    expected = {sha256_bytes(noise(seed)): str(seed) for seed in range(24)}
    results: list[str] = []
    lost: set[str] = set()
    for result in run_on_cluster(job, range(24), address=cluster.address):
        results.append(sha256_bytes(result))
        if len(results) == 8:
            # Results that are finished there and not yet fetched: nobody fetches while this loop waits.
            while not lost:
                time.sleep(0.1)
                done = {expected[digest] for digest in results}
                lost = {seed for seed, node in marks(tmp_path) if node == "second"} - done
            kill_second()
    assert Counter(results) == Counter(expected.keys())
    times = Counter(seed for seed, _ in marks(tmp_path))
    assert all(times[seed] >= 2 for seed in lost)


@pytest.mark.slow
def test_an_exception_of_a_job_comes_out_as_it_was_raised(cluster: Any) -> None:
    def refuse(job: int) -> int:
        if job == 5:
            raise UserError("photo 5 is not an image: give another")
        return job

    def fail(job: int) -> int:
        raise LookupError("a bug")

    with pytest.raises(UserError) as told:
        list(run_on_cluster(refuse, range(100), address=cluster.address))
    assert type(told.value) is UserError
    assert str(told.value) == "photo 5 is not an image: give another"
    with pytest.raises(LookupError, match="a bug") as bug:
        list(run_on_cluster(fail, range(100), address=cluster.address))
    assert "in fail" in bug.value.__notes__[0]
    # The cluster is left alone, whatever happened.
    assert sorted(run_on_cluster(abs, range(4), address=cluster.address)) == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_job_that_kills_its_worker_each_time_is_told(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "RETRIES", 1)
    monkeypatch.setattr(tasks, "RETRIES", 1)
    with pytest.raises(UserError, match=r"^the Ray cluster at .* has lost a job 2 times \(.*\): see that"):
        list(run_on_cluster(lambda job: os._exit(1), [0], address=cluster.address))


@pytest.mark.slow
def test_nodes_without_this_code_are_named(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # Ray lets workers import from the program's folder, where that exists on the node
    broken, older = tmp_path / "broken", tmp_path / "older"
    (broken / "benchmark").mkdir(parents=True)
    (broken / "benchmark" / "__init__.py").write_text("raise ImportError('no numpy here')")
    for package in ("models", "captioning", "benchmark"):
        shutil.copytree(ROOT / package, older / package, ignore=shutil.ignore_patterns("__pycache__"))
    (older / "benchmark" / "__init__.py").write_text('__version__ = "0.0.9"')
    strangers = [
        cluster.add_node(num_cpus=1, node_name=folder.name, env_vars={"PYTHONPATH": str(folder)})
        for folder in (broken, older)
    ]
    try:
        with pytest.raises(UserError) as told:
            list(run_on_cluster(abs, range(4), address=cluster.address))
    finally:
        for node in strangers:
            cluster.remove_node(node)
    host = os.uname().nodename
    assert "2 of the 4 nodes" in str(told.value)
    assert f"broken ({host}) cannot import daclip-bench (ImportError: no numpy here)" in str(told.value)
    assert f"older ({host}) has daclip-bench 0.0.9 instead of {benchmark.__version__}" in str(told.value)
    assert "first (" not in str(told.value)


@pytest.mark.slow
def test_actors_build_once_and_survive_the_death_of_a_node(
    cluster: Any, kill_second: Callable[[], None], tmp_path: Path
) -> None:
    def make() -> Callable[[int], bytes]:
        leave_mark(tmp_path, "built")

        def work(seed: int) -> bytes:
            time.sleep(0.2)
            return np.random.default_rng(seed).bytes(300_000)

        return work

    told: list[int] = []
    results = []
    for result in actors_on_cluster(make, range(60), address=cluster.address, progress=told.append):
        results.append(result)
        if len(results) >= 10 and len(marks(tmp_path)) == 2 and cluster.second in cluster.worker_nodes:
            kill_second()
    assert cluster.second not in cluster.worker_nodes, "no node was killed"
    assert digests(results) == digests(map(noise, range(60)))
    assert told == list(range(1, 61))
    assert sorted(marks(tmp_path)) == [("built", "first"), ("built", "second")]


@pytest.mark.slow
def test_a_lost_actor_is_replaced_and_its_job_done_again(cluster: Any, tmp_path: Path) -> None:
    def make() -> Callable[[int], int]:
        leave_mark(tmp_path, "built")

        def work(job: int) -> int:
            if job == 3 and len(marks(tmp_path)) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return job

        return work

    results = list(actors_on_cluster(make, range(20), address=cluster.address, actors=1))
    assert sorted(results) == list(range(20))
    assert len(marks(tmp_path)) == 2


@pytest.mark.slow
def test_a_mistake_found_while_an_actor_builds_comes_out_as_it_was_raised(cluster: Any) -> None:
    def make() -> Callable[[int], int]:
        raise UserError("weights not found: give --weights")

    with pytest.raises(UserError, match=r"^weights not found: give --weights$"):
        list(actors_on_cluster(make, range(20), address=cluster.address))


@pytest.mark.slow
def test_a_cluster_without_a_graphics_processor_is_told(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "NODE_PATIENCE", 2.0)
    monkeypatch.setattr(session, "INTERVAL", 0.5)
    with pytest.raises(UserError, match="has had no node with 1 GPU and a processor for 2 s: add nodes"):
        list(actors_on_cluster(lambda: abs, range(4), address=cluster.address, gpus=1))


@pytest.mark.parametrize(
    ("resources", "gpus", "jobs"),
    [
        ({"CPU": 8.0}, 0, 8),
        ({"CPU": 8.0}, 1, 0),
        ({"CPU": 8.0, "GPU": 4.0}, 1, 4),
        ({"CPU": 8.0, "GPU": 4.0}, 2, 2),
        ({"CPU": 9.0, "GPU": 4.0}, 0.4, 8),
        ({"CPU": 9.0, "GPU": 1.0}, 0.1, 9),
        ({"CPU": 2.0, "GPU": 4.0}, 1, 2),
        ({}, 0, 0),
    ],
)
def test_a_node_holds_as_many_jobs_as_its_scarcest_resource(resources: Any, gpus: float, jobs: int) -> None:
    assert room({"Resources": resources}, gpus=gpus) == jobs


def test_an_address_where_nothing_answers_is_told_at_once() -> None:
    pytest.importorskip("ray")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(UserError, match=f"^no Ray cluster answers at --address {address}: .* ray start --head"):
            list(run_on_cluster(abs, [1], address=address))
    assert time.monotonic() - started < 12


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "ray://head", "head:port"])
def test_what_is_no_address_is_told(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(UserError, match=rf"--address {address}[ :(].* auto, HOST:PORT of"):
        list(run_on_cluster(abs, [1], address=address))


def test_without_ray_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'daclip-bench\[ray\]'"):
        list(run_on_cluster(abs, [1], address=None))
