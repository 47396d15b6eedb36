"""Image files of every mode: what a file says besides colours comes out as it went in."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from models.errors import UserError
from models.images.photo import decode_photo, read_photo
from models.images.photo_writing import encode_photo
from models.images.pixels import BadImage

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION, MAKER = 0x0112, 0x010F
LOSSLESS = [".png", ".tif", ".webp"]


def picture(mode: str, size: tuple[int, int] = (30, 20)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    return Image.fromarray(pixels).convert("RGB").convert(mode) if mode in ("1", "P", "CMYK") else _plain(pixels, mode)


def _plain(pixels: np.ndarray, mode: str) -> Image.Image:
    return Image.fromarray({"L": pixels[..., 0], "LA": pixels[..., :2], "RGB": pixels[..., :3], "RGBA": pixels}[mode])


def as_file(image: Image.Image, kind: str, orientation: int = 1, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = orientation, "Maker"
    buffer = io.BytesIO()
    image.save(buffer, format=kind, exif=exif, **options)
    return buffer.getvalue()


def deep(channels: int, kind: str) -> tuple[bytes, np.ndarray]:
    pixels = np.random.default_rng(1).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    return cv2.imencode(kind, np.ascontiguousarray(pixels[..., order]))[1].tobytes(), pixels


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P"])
def test_pixels_alpha_profile_and_exif_survive(mode: str, suffix: str) -> None:
    image = picture(mode)
    photo = decode_photo(as_file(image, "PNG", icc_profile=ICC))
    assert photo.grey == (mode in ("1", "L", "LA"))
    assert (photo.alpha is not None) == (mode in ("LA", "RGBA"))
    written = encode_photo(photo, photo.colour, suffix)
    again = Image.open(io.BytesIO(written))
    kept = "LA" if mode == "LA" else mode if mode in ("L", "RGBA") else "L" if mode == "1" else "RGB"
    kept = {"L": "RGB", "LA": "RGBA"}.get(kept, kept) if suffix == ".webp" else kept
    assert again.mode == kept
    np.testing.assert_array_equal(np.asarray(again.convert("RGBA")), np.asarray(image.convert("RGBA")))
    assert again.info["icc_profile"] == ICC
    assert again.getexif()[MAKER] == "Maker"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_once(orientation: int, kind: str) -> None:
    data = as_file(picture("RGB"), kind, orientation)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    photo = decode_photo(data)
    np.testing.assert_array_equal(np.rint(photo.colour * 255), np.asarray(expected))
    again = Image.open(io.BytesIO(encode_photo(photo, photo.colour, ".png")))
    assert again.getexif().get(ORIENTATION, 1) == 1
    np.testing.assert_array_equal(np.asarray(again), np.asarray(expected))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bits_are_turned_upright_too(orientation: int) -> None:
    eight = picture("RGB")
    wide = np.asarray(eight).astype(np.uint16) * 257
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(as_file(eight, "TIFF", orientation)))))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, wide, photometric="rgb", extratags=[(ORIENTATION, 3, 1, orientation, True)])
    photo = decode_photo(buffer.getvalue())
    assert photo.deep
    np.testing.assert_array_equal(np.rint(photo.colour * 255), expected)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kind", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_stay_sixteen_bits(channels: int, kind: str, suffix: str) -> None:
    data, pixels = deep(channels, kind)
    photo = decode_photo(data)
    assert (photo.deep, photo.grey) == (True, channels == 1)
    written = encode_photo(photo, photo.colour, suffix)
    again = cv2.imdecode(np.frombuffer(written, np.uint8), cv2.IMREAD_UNCHANGED)
    assert again is not None
    assert again.dtype == np.uint16
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    np.testing.assert_array_equal(again.reshape(20, 30, -1), pixels[..., order])


def test_sixteen_bits_become_eight_where_the_format_has_no_more() -> None:
    photo = decode_photo(deep(3, ".png")[0])
    again = decode_photo(encode_photo(photo, photo.colour, ".webp"))
    assert np.abs(again.colour - photo.colour).max() <= 0.5001 / 255


def test_cmyk_becomes_rgb() -> None:
    photo = decode_photo(as_file(picture("CMYK"), "JPEG", quality=100))
    assert photo.colour.shape == (20, 30, 3)
    assert not photo.profile
    assert np.abs(photo.colour * 255 - np.asarray(picture("RGB"))).mean() < 12


def test_a_jpeg_has_no_place_for_alpha() -> None:
    photo = decode_photo(as_file(picture("RGBA"), "PNG"))
    with pytest.raises(UserError, match=r"cannot hold the alpha channel.*\.png"):
        encode_photo(photo, photo.colour, ".jpg")


@pytest.mark.parametrize(("rounding", "expected"), [("round", 101), ("truncate", 100)])
def test_integers_are_made_as_the_card_says(rounding: str, expected: int) -> None:
    photo = decode_photo(as_file(picture("RGB"), "PNG"))
    image = np.full((20, 30, 3), 100.6 / 255, np.float32)
    again = Image.open(io.BytesIO(encode_photo(photo, image, ".png", rounding=rounding)))
    assert set(np.unique(np.asarray(again))) == {expected}


@pytest.mark.parametrize("damage", ["empty", "text", "half", "missing", "folder"])
def test_a_bad_file_is_told_in_one_sentence(damage: str, tmp_path: Any) -> None:
    path = tmp_path / "x.png"
    whole = deep(3, ".png")[0]
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"empty": b"", "text": b"hello", "half": whole[: len(whole) // 3]}[damage])
    with pytest.raises((BadImage, UserError), match=r"x\.png") as caught:
        read_photo(path)
    assert "\n" not in str(caught.value)
