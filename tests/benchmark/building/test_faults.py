"""What is wrong with the files or the machine: told in a sentence, nothing lost, no half dataset that looks whole."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmark.dataset.folder import Dataset
from models.images.pixels import decode, encode_png

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "import sys; from benchmark.cli import main; main(sys.argv[1:])"]


def bench(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    words = [*COMMAND, *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, **options)  # pyright: ignore


def photo(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """Return smooth random pixels."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def saved(pixels: np.ndarray, mode: str, file_format: str, **options: object) -> bytes:
    """Encode pixels in another mode or format."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format=file_format, **options)
    return buffer.getvalue()


def sixteen_bit() -> bytes:
    return cv2.imencode(".png", photo().astype(np.uint16) * 257)[1].tobytes()


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    return saved(photo(64, 48), "RGB", "JPEG", exif=exif)


def bomb() -> bytes:
    """Return a PNG whose header promises 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


Mixed = tuple[Path, Path, subprocess.CompletedProcess[str]]
"""Raw folder, dataset folder, and what the build printed."""

USABLE: dict[str, Callable[[], bytes]] = {
    "grey": lambda: saved(photo(), "L", "PNG"),
    "alpha": lambda: saved(photo(), "RGBA", "PNG"),
    "palette": lambda: saved(photo(), "P", "PNG"),
    "16 bit": sixteen_bit,
    "bmp": lambda: saved(photo(), "RGB", "BMP"),
    "webp": lambda: saved(photo(), "RGB", "WEBP"),
    "jpeg": lambda: saved(photo(), "RGB", "JPEG"),
}
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty"),
    "garbage": (lambda: b"no image at all", "not a readable image"),
    "truncated": (lambda: encode_png(photo())[:300], "not a readable image"),
    "corrupt": (lambda: encode_png(photo())[:200] + bytes(400) + encode_png(photo())[600:], "not a readable image"),
    "cmyk": (lambda: saved(photo(), "CMYK", "JPEG"), "CMYK"),
    "bomb": (bomb, "decompression bomb"),
    "1x1": (lambda: encode_png(photo()[:1, :1]), "1x1 but the clean one is 64x48"),
    "turned": (rotated, "not a readable image"),
}


def write_pairs(folder: Path, degraded: dict[str, bytes]) -> Path:
    """Write pairs of which one side is given; the clean side is always the same good photo."""
    for name, data in degraded.items():
        for role, content in (("LQ", data), ("GT", encode_png(photo()))):
            file = folder / role / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    folder = tmp_path_factory.mktemp("faults")
    good = {name: make() for name, make in USABLE.items()}
    bad = {name: make() for name, (make, _) in BAD.items() if name != "turned"}
    raw = write_pairs(folder / "raw", good | bad)
    (raw / "LQ" / "lonely.png").write_bytes(encode_png(photo()))
    out = folder / "out"
    return raw, out, bench("build-dataset", "--source", f"custom={raw}", "--degradation", "rainy", "--out", out)


def test_bad_images_are_left_out_with_their_reasons_and_the_rest_is_built(mixed: Mixed) -> None:
    _, out, done = mixed
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    reasons = {entry["key"].rsplit("/", 1)[-1]: entry["reason"] for entry in manifest["quarantine"]}
    for name, (_, reason) in BAD.items():
        if name != "turned":
            assert reason in reasons.pop(name)
    (lonely,) = reasons.values()
    assert "lonely" in str(manifest["quarantine"])
    assert "clean" in lonely
    rows = {row["key"].rsplit("/", 1)[-1]: row for row in Dataset(out).rows("train")}
    assert set(rows) == set(USABLE)
    assert f"{len(manifest['quarantine'])} left out" in done.stderr


def test_every_mode_is_stored_so_that_it_reads_as_what_it_shows(mixed: Mixed) -> None:
    _, out, _ = mixed
    rows = {row["key"].rsplit("/", 1)[-1]: row["degraded"]["bytes"] for row in Dataset(out).rows("train")}
    for name, make in USABLE.items():
        data = make()
        assert np.array_equal(decode(rows[name]), decode(data))
        if data[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0"):
            assert rows[name] == data  # encoded bytes are stored as they came


def test_strict_refuses_the_dataset_and_writes_no_manifest(mixed: Mixed, tmp_path: Path) -> None:
    raw, _, _ = mixed
    out = tmp_path / "strict"
    done = bench("build-dataset", "--source", f"custom={raw}", "--degradation", "rainy", "--out", out, "--strict")
    assert done.returncode == 2
    assert "--strict refuses" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (out / "manifest.json").exists()
    # The same folder can be finished without it.
    done = bench("build-dataset", "--source", f"custom={raw}", "--degradation", "rainy", "--out", out)
    assert done.returncode == 0


def test_a_turned_photo_is_built_upright(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "turned.jpg").write_bytes(rotated())
    out = tmp_path / "out"
    done = bench("build-dataset", "--source", f"custom={raw}", "--spec", "noise(sigma=5)", "--out", out)
    assert done.returncode == 0, done.stderr
    (row,) = Dataset(out).rows("train")
    assert (row["width"], row["height"]) == (64, 48)
    assert row["clean"]["bytes"] == rotated()
    difference = decode(row["degraded"]["bytes"]).astype(int) - decode(row["clean"]["bytes"])
    assert abs(difference).mean() < 6


def test_a_picture_thirty_thousand_pixels_wide_is_no_special_case(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "wide.png").write_bytes(encode_png(photo(12, 30_000)))
    out = tmp_path / "out"
    done = bench("build-dataset", "--source", f"custom={raw}", "--spec", "rain() | jpeg(quality=40)", "--out", out)
    assert done.returncode == 0, done.stderr
    (row,) = Dataset(out).rows("train")
    assert decode(row["degraded"]["bytes"]).shape == (12, 30_000, 3)
    assert row["degradations"] == ["rainy", "jpeg-compressed"]


def test_an_archive_that_is_none_is_told_before_anything_is_written(tmp_path: Path) -> None:
    archive = tmp_path / "raw.zip"
    archive.write_bytes(b"PK\x03\x04 and then nothing")
    out = tmp_path / "out"
    done = bench("build-dataset", "--source", f"custom={archive}", "--degradation", "rainy", "--out", out)
    assert done.returncode == 2
    assert "raw.zip" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_members_that_would_leave_their_folder_are_left_out(tmp_path: Path) -> None:
    archive = tmp_path / "raw.zip"
    with zipfile.ZipFile(archive, "w") as handle:
        for role in ("LQ", "GT"):
            handle.writestr(f"{role}/good.png", encode_png(photo()))
            handle.writestr(f"../../{role}/evil.png", encode_png(photo()))
    out = tmp_path / "deep" / "er" / "out"
    done = bench("build-dataset", "--source", f"custom={archive}", "--degradation", "rainy", "--out", out)
    assert done.returncode == 0, done.stderr
    assert len(list(Dataset(out).rows("train"))) == 1
    quarantine = json.loads((out / "manifest.json").read_text())["quarantine"]
    assert [entry for entry in quarantine if "evil.png" in entry["key"]]
    assert not list(tmp_path.rglob("evil.png"))


def limited() -> None:
    """Let no file grow beyond 300 kB, as a full disk would not."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_full_disk_ends_in_a_sentence_and_the_build_continues_later(tmp_path: Path, workers: int) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (200, 200, 3)).astype(np.uint8)
        (raw / f"{number}.png").write_bytes(encode_png(pixels))
    out = tmp_path / "out"
    words = ["build-dataset", "--source", f"custom={raw}", "--spec", "noise(sigma=50)", "--out", out]
    done = bench(*words, "--workers", workers, preexec_fn=limited)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert ".parquet: the file would be larger than the system allows" in done.stderr
    assert not (out / "manifest.json").exists()
    assert bench(*words, "--workers", workers).returncode == 0
    assert len(list(Dataset(out).rows("train"))) == 8


def test_two_builds_into_one_folder_at_once_end_with_one_whole_dataset(tmp_path: Path) -> None:
    raw = write_pairs(tmp_path / "raw", {str(n): encode_png(photo(seed=n)) for n in range(40)})
    out = tmp_path / "out"
    words = [*COMMAND, "build-dataset", "--source", f"custom={raw}", "--degradation", "hazy", "--out", str(out)]
    both = [subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(2)]
    told = [process.communicate()[1].decode() for process in both]
    codes = sorted(process.returncode for process in both)
    # The second is refused, or came so late that it found the work done.
    assert codes in ([0, 0], [0, 2]), told
    assert codes == [0, 0] or any("another process is writing" in text for text in told)
    assert len(list(Dataset(out).rows("train"))) == 40


def test_a_source_that_vanishes_stops_the_build_instead_of_thinning_it(tmp_path: Path) -> None:
    from benchmark.building.run import build_dataset
    from benchmark.sources.samples import FileImage, Sample, SourceUnreachable

    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file in files:
        file.write_bytes(encode_png(photo()))
    samples = [
        Sample(f"x/{file.stem}", "noisy", "train", "demo", clean=FileImage(file), spec="noise(sigma=5)")
        for file in files
    ]

    def remove(done: int) -> None:
        files[2].unlink(missing_ok=True)

    with pytest.raises(SourceUnreachable, match=r"2\.png was listed but is not there now"):
        build_dataset(samples, tmp_path / "out", recipe={}, progress=remove)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = bench("build-dataset", "--preset", "demo", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
