"""Bytes of an image file to pixels and back, whatever its mode."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from models.errors import UserError
from models.images.depth import ORIENTATION, sixteen_bits, to_eight
from models.images.files import BadImage, file_bytes, opened

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp")


def decode(data: bytes) -> np.ndarray:
    """Decode an image file to 8-bit RGB.

    Grey becomes three equal channels, a palette is looked up, 16-bit values are scaled to 8 bits with rounding, EXIF
    rotation is applied, and an alpha channel is dropped (the colour below it is kept, as OpenCV readers do). Of several
    pictures in a file, the first counts. `models.images.photo.decode_photo` takes the same files, and CMYK besides.

    Arguments:
        data: The bytes of a PNG, JPEG, BMP, PPM, TIFF or WebP file.

    Returns:
        Pixels with shape `(H, W, 3)`, uint8, RGB.

    Raises:
        BadImage: The bytes are empty, truncated, no image, CMYK, of floating point, signed or 32-bit values, or larger
            than `MAX_PIXELS`.
    """
    with opened(data) as image:
        if image.mode == "CMYK":
            raise BadImage("CMYK colours: convert the file to RGB first")
        deep = sixteen_bits(data, image)
        if deep is not None:
            return to_eight(deep[..., :3] if deep.ndim == 3 else np.repeat(deep[..., None], 3, axis=2))
        image.load()
        upright = ImageOps.exif_transpose(image) if image.getexif().get(ORIENTATION, 1) != 1 else image
        return np.asarray(
            upright.convert("RGBA").convert("RGB") if upright.mode in ("PA", "P") else upright.convert("RGB")
        )


def read(path: Path) -> np.ndarray:
    """Decode the image file at `path` to `(H, W, 3)` uint8 RGB, naming the file in any error."""
    try:
        data = file_bytes(path)
    except FileNotFoundError:
        raise UserError(f"image not found: {path}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    try:
        return decode(data)
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
