"""Bytes of an image file to pixels and back: the one door where formats, modes and damage are dealt with."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from models.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp")
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
MAX_PIXELS = 178_956_970  # Pillow's own limit against decompression bombs; larger files are refused

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


class BadImage(UserError):
    """An image that cannot be used; the message is the reason."""


def _sixteen_bit(data: bytes) -> np.ndarray | None:
    """Return the 16-bit pixels of a PNG or TIFF as RGB or grey uint16, or None when the file is not 16-bit."""
    import cv2

    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16:
        return None
    return array if array.ndim == 2 else array[..., 2::-1]


def _looks_sixteen_bit(data: bytes) -> bool:
    png = data[:8] == b"\x89PNG\r\n\x1a\n"
    return (png and data[24:25] == b"\x10") or data[:4] in (b"II*\x00", b"MM\x00*")


def decode(data: bytes) -> np.ndarray:
    """Decode an image file to 8-bit RGB.

    Grey becomes three equal channels, a palette is looked up, 16-bit values are scaled to 8 bits with rounding, EXIF
    rotation is applied, and an alpha channel is dropped (the colour below it is kept, as OpenCV readers do).

    Arguments:
        data: The bytes of a PNG, JPEG, BMP, PPM, TIFF or WebP file.

    Returns:
        Pixels with shape `(H, W, 3)`, uint8, RGB.

    Raises:
        BadImage: The bytes are empty, truncated, no image, CMYK, or larger than `MAX_PIXELS`.
    """
    with opened(data) as image:
        if image.mode == "CMYK":
            raise BadImage("CMYK colours: convert the file to RGB first")
        if _looks_sixteen_bit(data):
            deep = _sixteen_bit(data)
            if deep is not None:
                deep = deep if deep.ndim == 3 else np.repeat(deep[..., None], 3, axis=2)
                return np.ascontiguousarray(((deep.astype(np.uint32) + 128) // 257).astype(np.uint8))
        image.load()
        upright = ImageOps.exif_transpose(image) if image.getexif().get(ORIENTATION, 1) != 1 else image
        return np.asarray(
            upright.convert("RGBA").convert("RGB") if upright.mode in ("PA", "P") else upright.convert("RGB")
        )


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Open an image file whose pixels are still to be decoded; whatever is wrong with it becomes one sentence.

    Raises:
        BadImage: The bytes are empty, truncated, no image, or larger than `MAX_PIXELS`.
    """
    if not data:
        raise BadImage("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(f"{image.width}x{image.height} pixels are more than the limit of {MAX_PIXELS}")
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImage(f"more than {MAX_PIXELS} pixels: refused as a decompression bomb") from None
    except UnidentifiedImageError:
        # Pillow's own message holds a memory address, and reasons become part of a dataset's bytes.
        raise BadImage("not a readable image (no known format)") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise BadImage(f"not a readable image ({error})") from None


def read(path: Path) -> np.ndarray:
    """Decode the image file at `path` to `(H, W, 3)` uint8 RGB, naming the file in any error."""
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"image not found: {path}") from None
    except BadImage as error:
        raise BadImage(f"{path}: {error}") from None


def encode_png(pixels: np.ndarray, *, compress: bool = True) -> bytes:
    """Encode `(H, W, 3)` or `(H, W)` uint8 pixels as PNG; the same pixels always give the same bytes.

    Arguments:
        pixels: The image.
        compress: False stores the pixels as they are. Strong noise can hardly be compressed (by 6 percent at sigma 50),
            but trying takes ten times longer, and reading it back four times.
    """
    if not compress:
        import cv2

        flags = [cv2.IMWRITE_PNG_COMPRESSION, 0, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
        return cv2.imencode(".png", bgr, flags)[1].tobytes()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Turn uint8 pixels into float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)


def to_uint8(image: np.ndarray, *, rounding: str = "round") -> np.ndarray:
    """Clip a float image to [0, 1] and turn it into uint8.

    Arguments:
        image: The image.
        rounding: "round" as most image writers of the field do, or "truncate" as those do that cast.
    """
    return quantised(image, levels=255, rounding=rounding).astype(np.uint8)


def quantised(image: np.ndarray, *, levels: int, rounding: str) -> np.ndarray:
    """Clip a float image to [0, 1] and bring it to whole numbers from 0 to `levels`, by rounding or truncation."""
    scaled = np.clip(image, 0.0, 1.0)
    scaled *= levels
    return np.rint(scaled, out=scaled) if rounding == "round" else np.floor(scaled, out=scaled)


def list_images(folder: Path) -> list[Path]:
    """Return the image files directly inside `folder`, sorted by name.

    Raises:
        UserError: The folder does not exist or holds no image.
    """
    if not folder.is_dir():
        raise UserError(f"folder not found: {folder}")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))
    if not found:
        raise UserError(f"no image ({' '.join(EXTENSIONS)}) in {folder}")
    return found
