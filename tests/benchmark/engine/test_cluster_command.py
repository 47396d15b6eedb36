"""Programs that use a Ray cluster: what they leave behind, and what they say when the cluster is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trees import tree_digest

from benchmark.engine.connection import answers

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

BENCH = [sys.executable, "-c", "import sys; from benchmark.cli import main; main(sys.argv[1:])"]

ENDLESS = """
import ray, time
from benchmark.engine.cluster import run_on_cluster
for _ in run_on_cluster(time.sleep, [0.05] * 100_000, address=None):
    print(ray.get_runtime_context().gcs_address, flush=True)
"""
"""A program that works on a cluster of its own and says where that is."""

BEHEADED = """
import os, sys, time
from ray.cluster_utils import Cluster
from benchmark.engine import connection, session
from benchmark.engine.cluster import run_on_cluster
from models.errors import UserError
session.INTERVAL, session.HEAD_PATIENCE = 0.5, 3.0
connection.FAREWELL = 3.0
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
try:
    for number, _ in enumerate(run_on_cluster(time.sleep, [0.1] * 10_000, address=cluster.address)):
        if number == 5:
            killed = time.monotonic()
            cluster.head_node.all_processes["gcs_server"][0].process.send_signal(int(sys.argv[1]))
except UserError as error:
    print(f"{error} [{time.monotonic() - killed:.0f} s]")
"""
"""A program whose cluster loses its head to a signal."""


@pytest.fixture(scope="module")
def built_here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("here") / "dataset"
    done = subprocess.run([*BENCH, "build-dataset", "--preset", "demo", "--out", str(out)], cwd=ROOT, check=False)
    assert done.returncode == 0
    return out


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Start a head without processors and two nodes with one each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(2):
            nodes.add_node(num_cpus=1)
        yield nodes
        nodes.shutdown()


def start(code: str) -> subprocess.Popen[str]:
    """Start a program in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_a_cluster_that_loses_a_node_builds_the_same_bytes_as_this_machine(
    built_here: Path, cluster: Any, tmp_path: Path
) -> None:
    out = tmp_path / "dataset"
    command = ["build-dataset", "--preset", "demo", "--out", str(out), "--engine", "ray", "--address", cluster.address]
    process = subprocess.Popen([*BENCH, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(out.glob("data/*.parquet")):
        time.sleep(0.05)
    assert process.poll() is None, "it ended before a node could be killed"
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    told, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert tree_digest(out) == tree_digest(built_here)
    assert "raylet" not in told + errors


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_program_that_is_ended_takes_the_cluster_it_started_with_it(how: signal.Signals) -> None:
    pytest.importorskip("ray")
    process = start(ENDLESS)
    assert process.stdout is not None
    host, port = process.stdout.readline().strip().rsplit(":", 1)
    assert answers((host, int(port)), seconds=2)
    os.kill(process.pid, how)
    assert process.wait(60) != 0
    deadline = time.monotonic() + 30
    while answers((host, int(port)), seconds=2) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not answers((host, int(port)), seconds=2)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=lambda how: how.name)
def test_a_cluster_that_loses_its_head_is_told_in_a_sentence(how: signal.Signals) -> None:
    pytest.importorskip("ray")
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-c", BEHEADED, str(int(how))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    sentence, _, seconds = done.stdout.strip().splitlines()[-1].partition(" [")
    assert sentence.startswith("the Ray cluster at ")
    assert "no longer answers at" in sentence
    assert sentence.endswith("run the same command (it continues)")
    assert int(seconds.split()[0]) < 30
