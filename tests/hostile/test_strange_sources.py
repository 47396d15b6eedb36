"""Specs, recipes and sources that ask for too much: one sentence, at once."""

from __future__ import annotations

import io
import os
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flipped_datasets import build, made_samples, photo
from test_dataset_shapes import rewritten, with_value
from trials import Tally, bench, counts

from benchmark.degradations.specs.pipeline import apply, parse
from benchmark.verify import integrity
from models.errors import UserError

PATIENCE = 20.0
"""Seconds that a case may take on a machine with other work; most take milliseconds."""

SPECS: tuple[str, ...] = (
    "rain(\x00)",
    "rain()\x00",
    'kernel_blur(kind="psf", file="\x00.npz")',
    "(" * 10_000,
    "rain(" * 5_000,
    " | ".join(["jpeg()"] * 33),
    " | ".join(["resize(scale=4)"] * 32),
    " | ".join(["resize(scale=4)"] * 12) + " | resize(restore=true)",
    "noise(sigma=" + "9" * 5_000 + ")",
    "noise(sigma=" + "9" * 90 + ")",
    "noise(sigma=1e999)",
    "noise(sigma=-1e999)",
    "noise(sigma=nan)",
    "noise(sigma=inf)",
    "noise(sigma=true)",
    'noise(sigma="50")',
    "noise(sigma=" + "1" * 20_000 + "x)",
    "noise(sigma=" + "1" * 19_000 + "x)",
    "blur(length=1000000000)",
    "rain(layers=1000000000)",
    "kernel_blur(size=99999999)",
    "resize(scale=1e9)",
    "resize(scale=0)",
    "wild(blur_prob=2)",
    "wild(psf_file='/dev/zero')",
    'kernel_blur(kind="psf", file="/dev/zero")',
    'kernel_blur(kind="psf", file="/proc/kmsg")',
    'kernel_blur(kind="psf", file="/etc/passwd")',
    'kernel_blur(kind="psf", index=99999999999)',
    'under_display(file="/dev/random")',
    'under_display(file="PIPE.npz")',
    'kernel_blur(kind="psf", file="HUGE.npy")',
    'kernel_blur(kind="psf", file="PICKLE.npy")',
    "os.system('true')",
    "helper:load()",
    "__import__(name='os')",
    '"' * 20_000,
    "'" + "\\" * 19_990,
    "a" * 20_001,
    "",
)


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, in which specs find a pipe, a file that promises too much, and a pickle."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("PIPE.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 1 << 10, 99)}
    )
    Path("HUGE.npy").write_bytes(header.getvalue())
    np.save("PICKLE.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return tmp_path


@counts(14, len(SPECS))
def test_a_spec_that_asks_for_too_much_is_refused_at_once(beside: Path, count: int) -> None:
    pixels = np.zeros((256, 256, 3), np.uint8)
    with Tally("specs that ask for too much") as tally:
        for spec in SPECS if count == len(SPECS) else SPECS[:: len(SPECS) // count]:
            started = time.monotonic()
            held, told = False, "it was applied"
            try:
                apply(spec, pixels, seed=0, key="k")
            except UserError as error:
                held, told = bool(str(error)) and "\n" not in str(error), str(error)
            took = time.monotonic() - started
            tally.case(spec[:40], held and took < PATIENCE and len(told) < 30_000, f"{took:.1f} s, {told[:200]}")


@counts(5, len(SPECS))
def test_a_shard_with_such_a_spec_fails_its_audit(beside: Path, count: int) -> None:
    build(made_samples(beside / "images", "png"), beside / "data")
    with Tally("specs of shards that ask for too much, audited") as tally:
        for spec in SPECS if count == len(SPECS) else SPECS[:: len(SPECS) // count]:
            rewritten(beside / "data", with_value("spec", spec))
            started = time.monotonic()
            ended = bench("verify", beside / "data", "--workers", 0)
            took = time.monotonic() - started
            held = ended.code == 1 and "Traceback" not in ended.err and took < PATIENCE
            tally.case(spec[:40], held, f"{ended.code}, {took:.1f} s {ended.err[-300:]}")


def test_a_picture_too_large_for_any_spec_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(made_samples(tmp_path / "images", "png"), tmp_path / "data")
    rewritten(tmp_path / "data", with_value("spec", "rain()"))
    monkeypatch.setattr(integrity, "SYNTHESIS_PIXELS", 40 * 56 - 1)
    ended = bench("verify", tmp_path / "data", "--workers", 0)
    assert ended.code == 1
    assert "it has a spec, but more than 2239 pixels" in ended.out


RECIPES: tuple[str, ...] = (
    "sources: [{name: custom, path: images, degradation: foggy, spec: 'rain(\\x00)'}]",
    "sources: [{name: custom, path: images, degradation: foggy, spec: 'rain()', seed: " + "9" * 5_000 + "}]",
    "sources: [{name: custom, path: images, degradation: foggy, spec: 'rain()', seed: 99999999999999999999}]",
    "sources: [{name: custom, path: images, degradation: foggy, spec: 'rain()', seed: 1e999}]",
    "sources: [{name: custom, path: images, degradation: foggy, spec: 'rain()', seed: .nan}]",
    "sources: [{name: custom, path: images, degradation: ../../x, spec: 'rain()'}]",
    "sources: [{name: custom, path: images, degradation: foggy, label: ../x, spec: 'rain()'}]",
    "sources: [{name: 'helper:load', path: images}]",
    "sources: [{name: custom, path: /dev/zero, degradation: foggy, spec: 'rain()'}]",
    "sources: [{name: custom, path: /proc, degradation: foggy, spec: 'rain()'}]",
    "sources: [{name: custom, path: /sys, degradation: foggy, spec: 'rain()'}]",
    "sources: [{name: custom, path: /dev, degradation: foggy, spec: 'rain()'}]",
    'sources: [{name: custom, path: "a\\0b", degradation: foggy, spec: "rain()"}]',
    "sources: [{name: custom, path: PIPE.zip, degradation: foggy}]",
    "sources: " + "[" * 20_000,
    "sources: " + "{a: " * 5_000,
    "sources: &a [*a, *a]",
    "a: &a [x, x]\nb: &b [*a, *a]\nsources: [*b, *b]",
    "sources: 2024-99-99",
    "sources: !!python/object/apply:os.system ['true']",
    "\x00",
    "sources: []",
    "x" * ((1 << 20) + 1),
)


@counts(8, len(RECIPES) + 3)
def test_a_recipe_that_asks_for_too_much_is_refused_at_once(beside: Path, count: int) -> None:
    (beside / "images").mkdir()
    (beside / "images" / "0.png").write_bytes(photo(0, "png"))
    os.mkfifo("PIPE.zip")
    places = ["/dev/zero", "PIPE.npz", "/proc/self/mem"]
    recipes: list[str | None] = [*RECIPES, *([None] * len(places))]
    with Tally("recipes that ask for too much") as tally:
        for number in range(0, len(recipes), max(1, len(recipes) // count)):
            text = recipes[number]
            place = places[number - len(RECIPES)] if text is None else "sources.yaml"
            if text is not None:
                Path("sources.yaml").write_text(text)
            started = time.monotonic()
            ended = bench("build-dataset", "--recipe", place, "--out", "out", "--workers", 0)
            took = time.monotonic() - started
            held = ended.refused and took < PATIENCE and not Path("out/manifest.json").exists()
            tally.case(f"{number} {(text or place)[:60]}", held, f"{ended.code}, {took:.1f} s {ended.err[-400:]}")


NAMES = ("/tmp/x.png", "../x.png", "a/../../x.png", "C:\\x.png", "..\\x.png", "a\nb.png", "a\x1b[31m.png", "\x7f.png")


def _zip(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("placeholder.png")
        info.filename = name
        archive.writestr(info, photo(0, "png"))
        archive.writestr("good.png", photo(1, "png"))
    return buffer.getvalue()


def _tar(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        data = photo(0, "png") if kind == tarfile.REGTYPE else b""
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
        good = tarfile.TarInfo("good.png")
        good.size = len(photo(1, "png"))
        archive.addfile(good, io.BytesIO(photo(1, "png")))
    return buffer.getvalue()


LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)

ARCHIVES: dict[str, Callable[[], bytes]] = {
    **{f"{number}.zip": lambda name=name: _zip(name) for number, name in enumerate(NAMES)},
    **{f"{number}.tar": lambda name=name: _tar(name) for number, name in enumerate(NAMES)},
    **{f"link-{kind.decode()}.tar": lambda kind=kind: _tar("odd.png", kind) for kind in LINKS},
}


@counts(7, len(ARCHIVES))
def test_odd_members_of_archives_are_left_out_and_told(tmp_path: Path, count: int) -> None:
    with Tally("names, links and devices in archives") as tally:
        for name in list(ARCHIVES)[:: len(ARCHIVES) // count]:
            (tmp_path / name).write_bytes(ARCHIVES[name]())
            out = tmp_path / f"out-{name}"
            source = ("--source", f"custom={tmp_path / name}", "--degradation", "rainy", "--spec", "rain()")
            ended = bench("build-dataset", *source, "--out", out, "--workers", 0)
            told = "1 pairs" in ended.out and "1 left out" in ended.err and "\x1b[31m" not in ended.err
            tally.case(name, ended.code == 0 and told, f"{ended.code} {ended.out[-200:]} {ended.err[-400:]}")
    assert {path.name for path in tmp_path.iterdir()} == {
        one for name in list(ARCHIVES)[:: len(ARCHIVES) // count] for one in (name, f"out-{name}")
    }


def test_parsing_a_long_number_takes_no_time() -> None:
    started = time.monotonic()
    with pytest.raises(UserError):
        parse("noise(sigma=" + "1" * 19_000 + "x)")
    assert time.monotonic() - started < 1
