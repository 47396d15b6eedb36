"""Captions made on a cluster of two nodes, one of which is lost half-way: the same bytes as on one machine."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_splits import pictures
from tiny_blip import save_blip

from benchmark.building.run import build_dataset
from benchmark.sources.samples import FileImage, Sample

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BENCH = [sys.executable, "-c", "import sys; from benchmark.cli import main; main(sys.argv[1:])"]
IMAGES = 600


def captions(dataset: Path) -> dict[str, bytes]:
    """Return the finished caption files."""
    folder = dataset / "captions"
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.parquet"))}


def test_a_cluster_that_loses_a_node_writes_the_same_captions(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    samples = []
    for number, data in enumerate(pictures(IMAGES)):
        file = tmp_path / f"{number}.png"
        file.write_bytes(data)
        for word, spec in (("jpeg-compressed", "jpeg(quality=10)"), ("noisy", "noise(sigma=50)")):
            samples.append(Sample(f"x/train/{word}/{number}", word, "train", "demo", clean=FileImage(file), spec=spec))
    model = save_blip(tmp_path / "blip")
    places = [tmp_path / name for name in ("here", "cluster")]
    for place in places:
        build_dataset(samples, place, recipe={})
    command = [*BENCH, "caption", str(places[0]), "--captioner", str(model), "--batch-size", "16", "--device", "cpu"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            for _ in range(2):
                nodes.add_node(num_cpus=1)
            command[3:] = ["caption", str(places[1]), "--captioner", str(model), "--batch-size", "8", "--device", "cpu"]
            command += ["--engine", "ray", "--address", nodes.address]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while process.poll() is None and not list((places[1] / "captions").glob(".*/*.json")):
                time.sleep(0.02)
            assert process.poll() is None, process.communicate()
            nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
            told, errors = process.communicate(timeout=300)
            assert process.returncode == 0, told + errors
        finally:
            nodes.shutdown()
    made = captions(places[0])
    assert len(made) == 2  # the set, and its copy in use
    assert captions(places[1]) == made
