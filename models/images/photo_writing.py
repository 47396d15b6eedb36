"""A restored photo back to a file of its kind: depth, grey, alpha, colour profile and EXIF as they came."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from models.errors import UserError
from models.images.depth import EIGHT, PNG, SIXTEEN, to_eight
from models.images.photo import Photo
from models.images.pixels import encode_png, quantised

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
LUMA = (0.299, 0.587, 0.114)
JPEG_QUALITY = 95
ICC_TAG, BYTES = 34675, 7
# Length and name of the first chunk, its thirteen bytes, and its checksum: others may follow behind.
PNG_HEADER = len(PNG) + 8 + 13 + 4


def encode_photo(photo: Photo, restored: np.ndarray, suffix: str, *, rounding: str = "round") -> bytes:
    """Encode restored colours as a file of the kind that they were read from.

    Grey stays grey (but in WebP, which has none), an alpha channel is kept as it was, 16 bits stay 16 bits where the
    format has them (PNG, TIFF), EXIF and colour profile are written back. PNG, TIFF and WebP are without loss, JPEG has
    quality 95.

    Arguments:
        photo: What was read.
        restored: With shape `(H, W, 3)`, float RGB on the scale [0, 1].
        suffix: ".png", ".jpg", ".tif" or ".webp".
        rounding: How the network's authors turn floats into integers: "round" or "truncate".

    Raises:
        UserError: JPEG cannot hold the alpha channel, or WebP so many pixels.
    """
    suffix = suffix.lower()
    deep = photo.deep and suffix in (".png", ".tif", ".tiff")
    levels, kind = (SIXTEEN, np.uint16) if deep else (EIGHT, np.uint8)
    colour = restored @ np.array(LUMA, np.float32) if photo.grey else restored
    pixels = quantised(colour, levels=levels, rounding=rounding).astype(kind)
    if photo.alpha is not None:
        alpha = _alpha(photo.alpha, kind)
        pixels = np.concatenate([pixels.reshape(*alpha.shape, -1), alpha[..., None]], axis=2)
    if suffix == ".png":
        plain = _deep_png(pixels) if deep else encode_png(pixels)
        return _with_chunks(plain, photo)
    if suffix in (".tif", ".tiff") and deep:
        return _deep_tiff(pixels, photo)
    return _by_pillow(pixels, suffix, photo)


def _alpha(alpha: np.ndarray, kind: type) -> np.ndarray:
    if alpha.dtype == kind:
        return alpha
    return to_eight(alpha)


def _by_pillow(pixels: np.ndarray, suffix: str, photo: Photo) -> bytes:
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    about = {"icc_profile": photo.profile} if photo.profile else {}
    about |= {"exif": photo.exif} if photo.exif else {}
    if suffix in (".jpg", ".jpeg"):
        if photo.alpha is not None:
            raise UserError("a JPEG file cannot hold the alpha channel of this image: choose .png, .tif or .webp")
        image.save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0, **about)
    elif suffix == ".webp":
        if max(image.size) > 16383:
            raise UserError(f"a WebP file cannot hold {image.width}x{image.height} pixels: choose .png or .tif")
        image.save(buffer, format="WEBP", lossless=True, exact=True, **about)
    else:
        image.save(buffer, format="TIFF", compression="tiff_adobe_deflate", **about)
    return buffer.getvalue()


def _deep_png(pixels: np.ndarray) -> bytes:
    import cv2

    if pixels.ndim == 3 and pixels.shape[2] == 2:
        # The encoder knows no grey with alpha; three equal channels show the same.
        pixels = pixels[..., [0, 0, 0, 1]]
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(pixels.shape[2] if pixels.ndim == 3 else 0)
    return cv2.imencode(".png", pixels if order is None else np.ascontiguousarray(pixels[..., order]))[1].tobytes()


def _with_chunks(png: bytes, photo: Photo) -> bytes:
    """Add colour profile and EXIF behind the header of a PNG."""
    chunks = b""
    if photo.profile:
        chunks += _chunk(b"iCCP", b"ICC Profile\x00\x00" + zlib.compress(photo.profile))
    if photo.exif:
        chunks += _chunk(b"eXIf", photo.exif.removeprefix(b"Exif\x00\x00"))
    return png[:PNG_HEADER] + chunks + png[PNG_HEADER:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _deep_tiff(pixels: np.ndarray, photo: Photo) -> bytes:
    """Write a 16-bit TIFF; of EXIF, the text tags of its first directory are kept."""
    import tifffile

    tags = [(ICC_TAG, BYTES, len(photo.profile), photo.profile, True)] if photo.profile else []
    if photo.exif:
        exif = Image.Exif()
        exif.load(photo.exif)
        tags += [(tag, 2, len(text) + 1, text, True) for tag, text in exif.items() if isinstance(text, str)]
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        pixels,
        photometric="minisblack" if photo.grey else "rgb",
        extrasamples=["unassalpha"] if photo.alpha is not None else None,
        compression="zlib",
        software=False,
        metadata=None,
        extratags=tags,
    )
    return buffer.getvalue()
