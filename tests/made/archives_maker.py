"""Makes the archives of the twelve published sets: their real layouts, names and decoys, with tiny images inside.

Run it to fill a folder of downloads in full size: `python tests/made/archives_maker.py FOLDER`.
"""

from __future__ import annotations

import functools
import io
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Files = dict[str, bytes]
"""Content of an archive by path."""

Archives = dict[str, Files]
"""Archives of a set by path below the folder of downloads."""

SIDE = 8
KINDS = 5  # distinct pictures; real sets are larger, but what is inside a picture does not matter for the listing
JUNK = b"\x00\x05\x16\x07"


@functools.cache
def picture(number: int, *, ending: str, side: int = SIDE) -> bytes:
    """Return a small picture; equal arguments give equal bytes."""
    generator = np.random.Generator(np.random.PCG64(number % KINDS))
    pixels = generator.integers(0, 256, size=(side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format={"png": "PNG", "jpg": "JPEG", "bmp": "BMP"}[ending])
    return buffer.getvalue()


def clean(number: int, ending: str = "png") -> bytes:
    """Return a clean picture."""
    return picture(number % KINDS, ending=ending)


def degraded(number: int, ending: str = "png") -> bytes:
    """Return a degraded picture, unlike every clean one in size as well."""
    generator = np.random.Generator(np.random.PCG64(100 + number % KINDS))
    return picture(number % KINDS, ending=ending) + generator.bytes(3 + number % KINDS)


def gopro(train: int, test: int) -> Archives:
    """Sequences of video frames, each three times; resource forks of a Mac beside them."""
    files: Files = {}
    for split, count, sequences in (("train", train, 22), ("test", test, 11)):
        for number in range(count):
            sequence = f"GOPR{300 + number % sequences:04d}_11_{number % sequences:02d}"
            for role, data in (
                ("blur", degraded(number)),
                ("blur_gamma", degraded(number + 1)),
                ("sharp", clean(number)),
            ):
                files[f"GOPRO_Large/{split}/{sequence}/{role}/{number // sequences:06d}.png"] = data
        files[f"__MACOSX/GOPRO_Large/{split}/GOPR0300_11_00/blur/._000000.png"] = JUNK
    files["GOPRO_Large/.DS_Store"] = JUNK
    return {"GOPRO_Large.zip": files}


def reside6k(train: int, test: int) -> Archives:
    """Equal names in `hazy` and `GT`."""
    files: Files = {}
    for number in range(train):
        for role, data in (("hazy", degraded(number, "jpg")), ("GT", clean(number, "jpg"))):
            files[f"RESIDE-6K/train/{role}/{number}.jpg"] = data
    for number in range(test):
        for role, data in (("hazy", degraded(number, "jpg")), ("GT", clean(number, "jpg"))):
            files[f"RESIDE-6K/test/{role}/{number:04d}_0.9_0.2.jpg"] = data
    return {"RESIDE-6K.zip": files}


def div2k(train: int, test: int) -> Archives:
    """Two archives; both splits of the set are for training here."""
    split = train - train // 9
    first = {f"DIV2K_train_HR/{n + 1:04d}.png": clean(n) for n in range(split)}
    second = {f"DIV2K_valid_HR/{n + 1:04d}.png": clean(n) for n in range(split, train)}
    return {"DIV2K_train_HR.zip": first, "DIV2K_valid_HR.zip": second}


def flickr2k(train: int, test: int) -> Archives:
    """The large images and two sizes of small ones."""
    files: Files = {}
    for n in range(train):
        files[f"Flickr2K/Flickr2K_HR/{n + 1:06d}.png"] = clean(n)
        files[f"Flickr2K/Flickr2K_LR_bicubic/X2/{n + 1:06d}x2.png"] = degraded(n)
        files[f"Flickr2K/Flickr2K_LR_unknown/X4/{n + 1:06d}x4.png"] = degraded(n)
    return {"Flickr2K.tar": files}


def live1(train: int, test: int) -> Archives:
    """Reference images beside distorted ones with lists."""
    files: Files = {f"databaserelease2/refimgs/scene{n}.bmp": clean(n, "bmp") for n in range(test)}
    for kind in ("jpeg", "jp2k", "wn", "gblur", "fastfading"):
        files |= {f"databaserelease2/{kind}/img{n}.bmp": clean(n, "bmp") for n in range(1, 40)}
        files[f"databaserelease2/{kind}/info.txt"] = b"scene1.bmp img1.bmp 0.5"
    return {"databaserelease2.zip": files}


def lol(train: int, test: int) -> Archives:
    """No folder around the two splits."""
    files: Files = {}
    for split, count in (("our485", train), ("eval15", test)):
        for n in range(1, count + 1):
            files |= {f"{split}/low/{n}.png": degraded(n), f"{split}/high/{n}.png": clean(n)}
    files["__MACOSX/our485/low/._1.png"] = JUNK
    return {"LOLdataset.zip": files}


def cbsd68(train: int, test: int) -> Archives:
    """A repository with several noise levels."""
    root = "CBSD68-dataset-master/CBSD68"
    files: Files = {f"{root}/original_png/{n:04d}.png": clean(n) for n in range(test)}
    for level in (5, 25, 50):
        files |= {f"{root}/noisy{level}/{n:04d}.png": degraded(n) for n in range(test)}
    return {"CBSD68-dataset-master.zip": files}


def raindrop(train: int, test: int) -> Archives:
    """Three archives with names that say little; `test_b` is not the paper's."""
    found: Archives = {}
    for folder, count, ending in (("train", train, "png"), ("test_a", test, "png"), ("test_b", 249, "jpg")):
        files = {f"{folder}/data/{n}_rain.{ending}": degraded(n, ending) for n in range(count)}
        files |= {f"{folder}/gt/{n}_clean.{ending}": clean(n, ending) for n in range(count)}
        found[f"RainDrop/{folder}.zip"] = files
    return found


def rain100h(train: int, test: int) -> Archives:
    """Both images of a training pair in one folder; the rainy test images one folder deeper."""
    first = {f"RainTrainH/rain-{n}.png": degraded(n) for n in range(1, train + 1)}
    first |= {f"RainTrainH/norain-{n}.png": clean(n) for n in range(1, train + 1)}
    second = {f"Rain100H/rainy/rain-{n:03d}.png": degraded(n) for n in range(1, test + 1)}
    second |= {f"Rain100H/norain-{n:03d}.png": clean(n) for n in range(1, test + 1)}
    return {"RainTrainH.zip": first, "Rain100H.zip": second}


def srd(train: int, test: int) -> Archives:
    """The two splits say "without shadow" in two ways."""
    found: Archives = {}
    for archive, count, suffix in (("SRD_Train", train, "no_shadow"), ("SRD_Test", test, "free")):
        files = {f"{archive}/shadow/IMG_{n}_1.jpg": degraded(n, "jpg") for n in range(5000, 5000 + count)}
        files |= {f"{archive}/shadow_free/IMG_{n}_1_{suffix}.jpg": clean(n, "jpg") for n in range(5000, 5000 + count)}
        found[f"{archive}.zip"] = files
    return found


def snow100k(train: int, test: int) -> Archives:
    """The paper's subset among other photos, with masks, and the easier test sets."""
    sets = (
        ("Snow100K-training.tar.gz", ["Snow100K-training"], train),
        ("Snow100K-testset.tar.gz", [f"media/jdway/GameSSD/overlapping/test/Snow100K-{size}" for size in "LMS"], test),
    )
    found: Archives = {}
    for archive, folders, count in sets:
        files = found.setdefault(archive, {})
        for folder in folders:
            names = [f"beautiful_smile_{n:05d}" for n in range(count)] + [f"city_read_{n:05d}" for n in range(200)]
            for n, name in enumerate(names):
                for role, data in (
                    ("synthetic", degraded(n, "jpg")),
                    ("gt", clean(n, "jpg")),
                    ("mask", clean(n, "jpg")),
                ):
                    files[f"{folder}/{role}/{name}.jpg"] = data
    return found


def celebahq(train: int, test: int) -> Archives:
    """Faces under numbers; the first hundred are the test split."""
    return {"celeba_hq_256.zip": {f"celeba_hq_256/{n:05d}.jpg": clean(n, "jpg") for n in range(train + test)}}


MAKERS: dict[str, Callable[[int, int], Archives]] = {
    maker.__name__: maker
    for maker in (
        gopro,
        reside6k,
        div2k,
        flickr2k,
        live1,
        lol,
        cbsd68,
        raindrop,
        rain100h,
        srd,
        snow100k,
        celebahq,
    )
}
"""What makes each source, from its number of clean images for training and for testing."""

FULL: dict[str, tuple[int, int]] = {
    "gopro": (2103, 1111),
    "reside6k": (6000, 1000),
    "div2k": (900, 0),
    "flickr2k": (2650, 0),
    "live1": (0, 29),
    "lol": (485, 15),
    "cbsd68": (0, 68),
    "raindrop": (861, 58),
    "rain100h": (1800, 100),
    "srd": (2680, 408),
    "snow100k": (1872, 601),
    "celebahq": (29900, 100),
}
"""Number of clean images as published."""

TINY = {name: (min(train, 9), 100 if name == "celebahq" else min(test, 4)) for name, (train, test) in FULL.items()}


def pack(files: Files, target: Path) -> Path:
    """Write an archive of the kind that its name tells."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name), data)
        return target
    with tarfile.open(target, "w" if target.suffix == ".tar" else "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target


def unpack(files: Files, folder: Path) -> Path:
    """Write the content of an archive into a folder."""
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


def make_downloads(folder: Path, sizes: dict[str, tuple[int, int]] = FULL) -> Path:
    """Fill a folder of downloads with the archives of all sources, as somebody who fetched the ten would have it."""
    for name, (train, test) in sizes.items():
        for archive, files in MAKERS[name](train, test).items():
            pack(files, folder / archive)
    return folder


if __name__ == "__main__":
    print(make_downloads(Path(sys.argv[1])))
