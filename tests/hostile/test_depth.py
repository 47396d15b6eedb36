"""One rule for the values of image files, whichever door they come through: scaled as stated, or refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from trials import bench

from benchmark.dataset.folder import Dataset
from benchmark.evaluation.submission.pictures import open_pictures
from models.images.depth import sixteen_bits
from models.images.files import BadImage
from models.images.photo import decode_photo
from models.images.pixels import decode, encode_png

GENERATOR = np.random.default_rng(5)
EIGHT = GENERATOR.integers(0, 256, (20, 30), dtype=np.uint8)
SIXTEEN = GENERATOR.integers(0, 65536, (20, 30), dtype=np.uint16)
COLOUR = GENERATOR.integers(0, 65536, (20, 30, 3), dtype=np.uint16)
SMALL = GENERATOR.integers(0, 101, (20, 30), dtype=np.uint8)


def tiff(array: np.ndarray, order: Any = "<", **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array.astype(array.dtype.newbyteorder(order)), byteorder=order, **options)
    return buffer.getvalue()


def pillow(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return buffer.getvalue()


def pgm(array: np.ndarray, white: int) -> bytes:
    return f"P5\n{array.shape[1]} {array.shape[0]}\n{white}\n".encode() + array.astype(">u2").tobytes()


def scaled(array: np.ndarray) -> np.ndarray:
    """Return 16-bit values as 8-bit ones, as exact arithmetic rounds them."""
    return np.floor(array.astype(np.float64) / 257 + 0.5).astype(np.uint8)


READ: dict[str, tuple[bytes, np.ndarray]] = {
    "1 bit PNG": (pillow(Image.fromarray(EIGHT > 99), "PNG"), np.uint8(255) * (EIGHT > 99)),
    "1 bit TIFF": (pillow(Image.fromarray(EIGHT > 99), "TIFF"), np.uint8(255) * (EIGHT > 99)),
    "1 bit PBM": (pillow(Image.fromarray(EIGHT > 99), "PPM"), np.uint8(255) * (EIGHT > 99)),
    "8 bits PNG": (pillow(Image.fromarray(EIGHT), "PNG"), EIGHT),
    "8 bits TIFF": (tiff(EIGHT), EIGHT),
    "8 bits TIFF, white is 0": (tiff(EIGHT, photometric="miniswhite"), 255 - EIGHT),
    "8 bits BigTIFF": (tiff(EIGHT, bigtiff=True), EIGHT),
    "16 bits PNG (I;16)": (pillow(Image.fromarray(SIXTEEN), "PNG"), scaled(SIXTEEN)),
    "16 bits TIFF (I;16)": (tiff(SIXTEEN), scaled(SIXTEEN)),
    "16 bits TIFF, other order (I;16B)": (tiff(SIXTEEN, ">"), scaled(SIXTEEN)),
    "16 bits TIFF, deflate": (tiff(SIXTEEN, compression="zlib", predictor=True), scaled(SIXTEEN)),
    "16 bits BigTIFF": (tiff(SIXTEEN, bigtiff=True), scaled(SIXTEEN)),
    "16 bits PGM (I)": (pgm(SIXTEEN, 65535), scaled(SIXTEEN)),
    "16 bits TIFF, colour": (tiff(COLOUR, photometric="rgb"), scaled(COLOUR)),
    "16 bits TIFF, colour, other order": (tiff(COLOUR, ">", photometric="rgb"), scaled(COLOUR)),
}
REFUSED: dict[str, bytes] = {
    **{f"{kind} TIFF {order}": tiff(SMALL.astype(kind), order) for kind in
       ("int8", "int16", "int32", "uint32", "uint64", "float16", "float32", "float64") for order in "<>"},
    **{f"{kind} TIFF, colour": tiff(np.dstack([SMALL.astype(kind)] * 3), photometric="rgb") for kind in
       ("int8", "int16", "uint32", "float32")},
    "F TIFF": pillow(Image.fromarray(EIGHT.astype(np.float32) / 255), "TIFF"),
    "I TIFF": pillow(Image.fromarray(SIXTEEN.astype(np.int32)), "TIFF"),
    "F PFM": pillow(Image.fromarray(EIGHT.astype(np.float32) / 255), "PPM"),
    "NaN TIFF": tiff(np.full((20, 30), np.nan, np.float32)),
    "16 bits TIFF, white is 0": tiff(SIXTEEN, photometric="miniswhite"),
    "16 bits TIFF, channels apart": tiff(np.moveaxis(COLOUR, 2, 0), photometric="rgb", planarconfig="separate"),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_both_doors_read_the_same(case: str) -> None:
    data, wanted = READ[case]
    colours = wanted if wanted.ndim == 3 else np.dstack([wanted] * 3)
    np.testing.assert_array_equal(decode(data), colours)
    photo = decode_photo(data)
    assert photo.deep == case.startswith("16")
    np.testing.assert_array_equal(np.floor(photo.colour.astype(np.float64) * 255 + 0.5), colours)


@pytest.mark.parametrize("case", REFUSED)
def test_both_doors_refuse_the_same(case: str) -> None:
    told = []
    for door in (decode, decode_photo):
        with pytest.raises(BadImage) as stop:
            door(REFUSED[case])
        told.append(str(stop.value))
    assert told[0] == told[1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bit_png_are_upright_at_both_doors(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(SIXTEEN).save(buffer, format="PNG", exif=exif)
    photo = decode_photo(buffer.getvalue())
    np.testing.assert_array_equal(decode(buffer.getvalue()), np.floor(photo.colour.astype(np.float64) * 255 + 0.5))
    assert decode(buffer.getvalue()).shape[:2] == ((20, 30) if orientation < 5 else (30, 20))


def test_pixels_that_opencv_finds_in_another_size_are_refused() -> None:
    # Two images in one file: the size that was checked must be that of the pixels that are taken.
    image = Image.open(io.BytesIO(READ["16 bits PNG (I;16)"][0]))
    other = pillow(Image.fromarray(SIXTEEN[:10]), "PNG")
    with pytest.raises(BadImage, match="16-bit PNG"):
        sixteen_bits(other, image)


def test_restore_eval_and_build_take_and_refuse_the_same(tmp_path: Path) -> None:
    mine, hazy, clear = (tmp_path / name for name in ("mine", "pairs/hazy", "pairs/clear"))
    for folder in (mine, hazy, clear):
        folder.mkdir(parents=True)
    cases = {name: data for name, (data, _) in READ.items()} | REFUSED
    names = {f"{number:03}": name for number, name in enumerate(cases)}
    for file, name in names.items():
        (mine / f"{file}.png").write_bytes(cases[name])
        (clear / f"{file}.png").write_bytes(cases[name])
        (hazy / f"{file}.png").write_bytes(encode_png(np.zeros((20, 30, 3), np.uint8)))
    assert bench("restore", mine, tmp_path / "out", "--network", "input").code == 1
    data = tmp_path / "data"
    options = ("--degradation", "hazy", "--split", "test", "--workers", "0")
    assert bench("build-dataset", "--source", f"custom={tmp_path / 'pairs'}", *options, "--out", data).code in (0, 1)
    built = {row["key"].rpartition("/")[2]: row for row in Dataset(data).rows("test", columns=["key", "clean"])}
    restored = {file.stem for file in (tmp_path / "out").glob("*.png")}
    pictures = open_pictures(mine)
    for file, name in names.items():
        assert (file in built) == (file in restored) == (name in READ), name
        if name not in READ:
            with pytest.raises(BadImage):
                pictures.pixels(file)
            continue
        wanted = decode(READ[name][0])
        np.testing.assert_array_equal(pictures.pixels(file), wanted, name)
        np.testing.assert_array_equal(decode((tmp_path / f"out/{file}.png").read_bytes()), wanted, name)
        np.testing.assert_array_equal(decode(built[file]["clean"]["bytes"]), wanted, name)
