"""A photo with all that its file says besides colours: depth, grey, alpha, orientation, colour profile, EXIF."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

from models.errors import UserError
from models.images import ORIENTATION, BadImage, opened

# What a PNG says about itself: bit depth and kind of colour follow its signature and the begin of its first chunk.
PNG, DEPTH_AT, KIND_AT = b"\x89PNG\r\n\x1a\n", 24, 25
PNG_GREYS = (0, 4)
TIFFS = (b"II*\x00", b"MM\x00*")
SIXTEEN = 65535
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
        data = path.read_bytes()
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
        turned = exif.get(ORIENTATION, 1)
        profile = image.info.get("icc_profile") or b""
        if image.mode == "CMYK":
            image.load()
            return _eight_bits(ImageOps.exif_transpose(_rgb(image, profile)), _without_orientation(exif), b"")
        deep = _sixteen_bits(data, image, turned)
        if deep is not None:
            return Photo(**deep, deep=True, exif=_without_orientation(exif), profile=profile)
        image.load()
        return _eight_bits(ImageOps.exif_transpose(image), _without_orientation(exif), profile)


def _without_orientation(exif: Image.Exif) -> bytes:
    kept = Image.Exif()
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
    if image.mode in ("F", "I"):
        raise BadImage(f"pixels of kind {image.mode!r} (neither 8 nor 16 bits): convert the file first")
    pixels = np.asarray(image.convert("RGBA" if alpha else "RGB"))
    return Photo(
        colour=pixels[..., :3].astype(np.float32) / np.float32(255),
        alpha=pixels[..., 3] if alpha else None,
        grey=grey,
        exif=exif,
        profile=profile,
    )


def _sixteen_bits(data: bytes, image: Image.Image, turned: int) -> dict[str, Any] | None:
    """Return colour, alpha and grey of a 16-bit PNG or TIFF, or None when the file is neither."""
    png = data.startswith(PNG)
    if not ((png and data[DEPTH_AT] == 16) or data.startswith(TIFFS)):
        return None
    import cv2

    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16:
        if png:
            raise BadImage("not a readable image (damaged 16-bit PNG)")
        return None
    # A TIFF is turned upright by its reader already.
    array = _turned(array, turned if png else 1)
    channels = 1 if array.ndim == 2 else array.shape[2]
    grey = channels == 1 or (png and data[KIND_AT] in PNG_GREYS)
    alpha = array[..., -1] if channels in (2, 4) else None
    colour = np.repeat(array.reshape(*array.shape[:2], -1)[..., :1], 3, 2) if grey else array[..., 2::-1]
    return {"colour": colour.astype(np.float32) / np.float32(SIXTEEN), "alpha": alpha, "grey": grey}


def _turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """Bring pixels upright by EXIF's number for how the camera was held."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
