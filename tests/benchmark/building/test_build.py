"""Building, resuming, auditing and reading a dataset folder."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trees import tree_digest

from benchmark import engine
from benchmark.building import plan
from benchmark.building.plan import plan_shards
from benchmark.building.run import BuildOptions, build_dataset
from benchmark.dataset.folder import Dataset
from benchmark.sources import SOURCES
from benchmark.sources.counts import TABLE_1, compare
from benchmark.sources.samples import FileImage, Sample
from benchmark.verify.run import verify
from models.errors import UserError
from models.files import single_writer
from models.images.pixels import decode, encode_png

ROOT = Path(__file__).parents[3]


def some_samples(count: int = 24) -> list[Sample]:
    """Return samples of the embedded source, of every type and both splits."""
    everything = list(SOURCES.load("demo")(None))
    return list(islice(everything[:: len(everything) // count], count))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "dataset"
    build_dataset(some_samples(), out, recipe={"preset": "test"})
    return out


def test_table_1_adds_up_to_the_papers_totals() -> None:
    assert sum(row.train for row in TABLE_1.values()) == 52_801
    assert sum(row.test for row in TABLE_1.values()) == 3_490
    assert compare({})[-1].train_expected == 52_801


def test_worker_processes_write_the_same_bytes_as_one_process(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_dataset(some_samples(), tmp_path / "pool", recipe={"preset": "test"}, place=BuildOptions(2))
    assert tree_digest(tmp_path / "pool") == tree_digest(built)


def test_a_sound_dataset_passes_the_audit(built: Path) -> None:
    audit = verify(Dataset(built))
    assert audit.problems == []
    assert audit.checked["pairs"] == 24
    assert audit.checked["specs"] == 24


def test_a_flipped_byte_is_found(built: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(built, broken)
    shard = next((broken / "data").glob("train-*.parquet"))
    data = bytearray(shard.read_bytes())
    middle = data.index(b"IDAT") + 40
    data[middle] ^= 0xFF
    shard.write_bytes(bytes(data))
    problems = verify(Dataset(broken)).problems
    assert {"where": f"data/{shard.name}", "what": "its bytes are not those of the manifest"} in problems
    assert any("sha256" in p["what"] for p in problems)


def test_the_hugging_face_stack_reads_it_without_this_project(built: Path, tmp_path: Path) -> None:
    code = (
        "import sys, datasets\n"
        f"ds = datasets.load_dataset({str(built)!r}, cache_dir={str(tmp_path)!r})\n"
        "assert 'benchmark' not in sys.modules\n"
        "row = ds['train'][0]\n"
        "print(len(ds['train']), len(ds['test']), row['degraded'].size, row['clean'].mode, row['degradation'])"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    manifest = Dataset(built).manifest["splits"]
    counts = f"{manifest['train']['rows']} {manifest['test']['rows']}"
    assert done.stdout.split("\n")[-2] == f"{counts} (128, 128) RGB motion-blurry"


def test_an_interrupted_build_ends_with_the_same_bytes(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small shards, so that there are several to lose.
    monkeypatch.setattr(plan, "SHARD_ROWS", 5)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    build_dataset(some_samples(), whole, recipe={})

    class Killed(Exception):
        pass

    def stop_after(pairs: int):
        def progress(done: int) -> None:
            if done >= pairs:
                raise Killed

        return progress

    for pairs in (1, 8, 14):
        with pytest.raises(Killed):
            build_dataset(some_samples(), resumed, recipe={}, progress=stop_after(pairs))
        assert not (resumed / "manifest.json").exists()
    build_dataset(some_samples(), resumed, recipe={})
    assert tree_digest(resumed) == tree_digest(whole)


@pytest.mark.slow
def test_a_killed_build_command_continues_to_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; from benchmark.cli import main; main(sys.argv[1:])", "build-dataset"]

    def run(out: Path, limit: float | None) -> None:
        process = subprocess.Popen(
            [*command, "--preset", "demo", "--out", str(out), "--workers", "2"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            time.sleep(0.5)  # its workers notice that it is gone and leave

    run(tmp_path / "whole", None)
    for limit in (1.0, 2.5, 3.5, 4.5):
        run(tmp_path / "killed", limit)
    run(tmp_path / "killed", None)
    assert tree_digest(tmp_path / "killed") == tree_digest(tmp_path / "whole")


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with single_writer(tmp_path / "out"), pytest.raises(UserError, match="another process is writing"):
        build_dataset(some_samples(4), tmp_path / "out", recipe={})


def test_a_folder_with_another_dataset_is_left_alone(built: Path) -> None:
    before = tree_digest(built)
    with pytest.raises(UserError, match="already holds a different dataset"):
        build_dataset(some_samples(4), built, recipe={})
    assert tree_digest(built) == before


def test_two_samples_with_one_key_are_refused(tmp_path: Path) -> None:
    sample = some_samples(1)[0]
    with pytest.raises(UserError, match="share the key"):
        plan_shards([sample, sample], tmp_path)


def encoded(mode: str, size: tuple[int, int] = (20, 14), file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 100).save(buffer, format=file_format)
    return buffer.getvalue()


def noisy_png() -> bytes:
    return encode_png(np.random.default_rng(0).integers(0, 256, (14, 20, 3)).astype(np.uint8))


@pytest.mark.parametrize(
    ("degraded", "reason"),
    [
        (b"", "the file is empty"),
        (b"not an image", "not a readable image"),
        (noisy_png()[:400], "not a readable image"),
        (encoded("CMYK", file_format="JPEG"), "CMYK"),
        (encoded("RGB", (21, 14)), "21x14 but the clean one is 20x14"),
    ],
    ids=["empty", "garbage", "truncated", "cmyk", "another size"],
)
def test_a_bad_pair_is_left_out_with_its_reason(tmp_path: Path, degraded: bytes, reason: str) -> None:
    good = encoded("RGB")
    files = {}
    for name, data in (("good", good), ("bad", degraded)):
        files[name] = tmp_path / f"{name}.png"
        files[name].write_bytes(data)
    clean = FileImage(files["good"])
    samples = [
        Sample(f"x/{name}", "rainy", "train", "rain100h", clean=clean, degraded=FileImage(files[name]))
        for name in files
    ]
    manifest = build_dataset(samples, tmp_path / "out", recipe={})
    assert manifest["splits"]["train"]["rows"] == 1
    assert [entry["key"] for entry in manifest["quarantine"]] == ["x/bad"]
    assert reason in manifest["quarantine"][0]["reason"]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["quarantine"] == manifest["quarantine"]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "I;16"])
def test_every_mode_decodes_to_eight_bit_rgb(mode: str) -> None:
    pixels = decode(encoded(mode))
    assert pixels.shape == (14, 20, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == pixels[0, 0]).all()


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    import cv2

    deep = np.full((4, 5, 3), 65535, np.uint16)
    deep[0, 0] = (257 * 10, 257 * 20, 257 * 30)  # BGR for OpenCV
    data = cv2.imencode(".png", deep)[1].tobytes()
    pixels = decode(data)
    assert pixels[0, 0].tolist() == [30, 20, 10]
    assert pixels[1, 1].tolist() == [255, 255, 255]


def test_distributed_bytes_are_stored_as_they_came(tmp_path: Path) -> None:
    data = encoded("RGB", file_format="JPEG")
    file = tmp_path / "a.jpg"
    file.write_bytes(data)
    other = tmp_path / "b.png"
    other.write_bytes(encode_png(np.zeros((14, 20, 3), np.uint8)))
    sample = Sample("x", "hazy", "test", "lol", clean=FileImage(file), degraded=FileImage(other))
    build_dataset([sample], tmp_path / "out", recipe={})
    row = next(Dataset(tmp_path / "out").rows("test"))
    assert row["clean"]["bytes"] == data
    assert row["spec"] is None
    assert row["seed"] is None


def die(job: int) -> int:
    """Stand for a worker that the system kills."""
    if job == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def test_a_killed_worker_is_told_in_a_sentence() -> None:
    with pytest.raises(UserError, match=r"a worker process was killed, .*it continues"):
        list(engine.run_jobs(die, [0, 1, 2], workers=2))


@pytest.mark.slow
def test_builds_killed_at_a_hundred_random_moments_end_with_the_same_bytes(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    generator = np.random.default_rng(0)
    for number in range(12):
        pixels = generator.integers(0, 256, (96, 128, 3)).astype(np.uint8)
        (images / f"{number:02d}.png").write_bytes(encode_png(pixels))
    (images / "bad.jpg").write_bytes(b"\xff\xd8\xff no image")
    script = Path(__file__).parents[2] / "made" / "kill_trials.py"
    command = [sys.executable, str(script), str(images), str(tmp_path / "work"), "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert words[0] == "100"
    assert int(words[2]) > 50  # most of them were still at work
    assert int(words[4]) > 3  # and they were killed in different states


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pairs() -> None:
    from benchmark.speed.build import peak_memory_of

    few, many = peak_memory_of(100), peak_memory_of(1500)
    assert many < 1.25 * few  # fifteen times the pairs
    assert many < 1e9
