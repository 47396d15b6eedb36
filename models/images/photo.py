"""A photo with all that its file says besides colours: depth, grey, alpha, orientation, colour profile, EXIF."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from models.errors import UserError
from models.images.depth import ORIENTATION, SIXTEEN, is_grey, sixteen_bits
from models.images.files import BadImage, file_bytes, opened

# Tags by which a TIFF file says how its pixels are stored: true of that file only.
LAYOUT_TAGS = {*range(254, 269), *range(273, 282), 284, *range(317, 348), *range(512, 533), 700, 34675}


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A decoded image file.

    Arguments:
        colour: With shape `(H, W, 3)`, float32 RGB in [0, 1], upright.
        alpha: With shape `(H, W)`, uint8 or uint16, or None.
        grey: Whether the file has one channel of colour.
        deep: Whether the file has 16 bits a channel.
        exif: Its EXIF block without the orientation, which has been applied; empty where it has none.
        profile: Its ICC profile; empty where it has none.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    deep: bool = False
    exif: bytes = b""
    profile: bytes = b""


def read_photo(path: Path) -> tuple[Photo, bytes]:
    """Read an image file of any mode: grey, palette, CMYK, with alpha, 8 or 16 bits.

    CMYK is brought to RGB by its own colour profile, where it has one.

    Returns:
        The photo, and the bytes of its file.

    Raises:
        UserError: The file is missing, or no whole image; the message names it.
    """
    try:
        data = file_bytes(path)
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"image not found: {path}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    try:
        return decode_photo(data), data
    except BadImage as error:
        raise BadImage(f"{path}: {error}") from None


def decode_photo(data: bytes) -> Photo:
    """Decode the bytes of an image file, see `read_photo`.

    Raises:
        BadImage: They are empty, truncated, no image, or too many pixels.
    """
    with opened(data) as image:
        exif = image.getexif()
        profile = image.info.get("icc_profile") or b""
        if image.mode == "CMYK":
            image.load()
            return _eight_bits(ImageOps.exif_transpose(_rgb(image, profile)), _without_orientation(exif), b"")
        deep = sixteen_bits(data, image)
        if deep is not None:
            return _deep(deep, is_grey(data, deep), _without_orientation(exif), profile)
        image.load()
        return _eight_bits(ImageOps.exif_transpose(image), _without_orientation(exif), profile)


def _without_orientation(exif: Image.Exif) -> bytes:
    kept = Image.Exif()
    if exif.bigtiff:  # whose tags Pillow cannot write
        kept.update({tag: value for tag, value in exif.items() if isinstance(value, str)})
    else:
        kept.load(exif.tobytes())
    for tag in (ORIENTATION, *LAYOUT_TAGS):
        kept.pop(tag, None)
    return kept.tobytes() if len(kept) else b""


def _rgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Turn CMYK into RGB."""
    if not profile:
        return image.convert("RGB")
    ours = ImageCms.createProfile("sRGB")
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, theirs, ours, outputMode="RGB")
    except ImageCms.PyCMSError as error:
        raise BadImage(f"not a readable image ({error})") from None
    assert converted is not None  # only a conversion in place returns nothing
    return converted


def _eight_bits(image: Image.Image, exif: bytes, profile: bytes) -> Photo:
    alpha = image.has_transparency_data
    grey = image.mode in ("1", "L", "LA", "La")
    pixels = np.asarray(image.convert("RGBA" if alpha else "RGB"))
    return Photo(
        colour=pixels[..., :3].astype(np.float32) / np.float32(255),
        alpha=pixels[..., 3] if alpha else None,
        grey=grey,
        exif=exif,
        profile=profile,
    )


def _deep(pixels: np.ndarray, grey: bool, exif: bytes, profile: bytes) -> Photo:
    alpha = pixels[..., -1] if pixels.ndim == 3 and pixels.shape[2] in (2, 4) else None
    colour = np.repeat(pixels.reshape(*pixels.shape[:2], -1)[..., :1], 3, 2) if grey else pixels[..., :3]
    return Photo(
        colour=colour.astype(np.float32) / np.float32(SIXTEEN),
        alpha=alpha,
        grey=grey,
        deep=True,
        exif=exif,
        profile=profile,
    )
