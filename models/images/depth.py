"""Images whose channels have more than 8 bits, or are no whole numbers: which are read, and how they are scaled."""

from __future__ import annotations

import numpy as np
from PIL import Image

from models.images.files import BadImage

ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
EIGHT, SIXTEEN = 255, 65535

# What a PNG says about itself: bit depth and kind of colour follow its signature and the begin of its first chunk.
PNG, DEPTH_AT, KIND_AT = b"\x89PNG\r\n\x1a\n", 24, 25
PNG_GREYS = (0, 4)
# Where a PNG may say how the camera was held; to ask it, all of its pixels must be read.
PNG_EXIF = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
BITS, PHOTOMETRIC, PLANES, SAMPLES = 258, 262, 284, 339  # tags of a TIFF
WHITE_IS_ZERO, UNSIGNED, APART = 0, 1, 2
KINDS = {"F": "floating point", "I": "32-bit or signed"}
_BLOCK = 2**22


def sixteen_bits(data: bytes, image: Image.Image) -> np.ndarray | None:
    """Return the pixels of an image with more than 8 bits a channel, upright; None for one of 8 bits or fewer.

    PNG, TIFF and grey PPM files are read at their depth: 0 is black and 65535 white. Floating point, signed and 32-bit
    values are refused: no file says which of them is white.

    Arguments:
        data: The bytes of the file.
        image: The same, opened and not CMYK; its size is what the pixels must have.

    Returns:
        Pixels with shape `(H, W)` or `(H, W, C)`, uint16; with three channels RGB, with four RGB and alpha.

    Raises:
        BadImage: Its values are of a kind that is refused, or it is damaged.
    """
    if image.format == "TIFF":
        return _tiff(data, image)
    if data.startswith(PNG) and data[DEPTH_AT] == 16:
        turned = image.getexif().get(ORIENTATION, 1) if any(mark in data for mark in PNG_EXIF) else 1
        return _turned(_by_opencv(data, image.size, "damaged 16-bit PNG"), turned)
    if image.format == "PPM" and image.mode == "I":
        return np.asarray(image).astype(np.uint16)  # scaled to 65535 by its reader
    _check_mode(image)
    return None


def is_grey(data: bytes, pixels: np.ndarray) -> bool:
    """Say whether a file of which `sixteen_bits` returned these pixels has one channel of colour."""
    return pixels.ndim == 2 or (data.startswith(PNG) and data[KIND_AT] in PNG_GREYS)


def to_eight(pixels: np.ndarray) -> np.ndarray:
    """Scale 16-bit values to 8 bits with rounding."""
    scaled = np.empty(pixels.shape, np.uint8)
    source, target = np.ascontiguousarray(pixels).reshape(-1), scaled.reshape(-1)
    for start in range(0, source.size, _BLOCK):  # in wider numbers, but not all of a large image at once
        part = slice(start, start + _BLOCK)
        target[part] = (source[part].astype(np.uint32) + 128) // 257
    return scaled


def _check_mode(image: Image.Image) -> None:
    kind = next((told for mode, told in KINDS.items() if image.mode.split(";")[0] == mode), None)
    if kind is not None:
        raise BadImage(
            f"its values are {kind} numbers (kind {image.mode!r}), and nothing says which is white: convert the file "
            "to 8 or 16 bits"
        )


def _tiff(data: bytes, image: Image.Image) -> np.ndarray | None:
    tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    if any(kind != UNSIGNED for kind in _values(tags.get(SAMPLES, UNSIGNED))):
        raise BadImage("its values are signed or floating point numbers: convert the file to 8 or 16 bits")
    bits = max(_values(tags.get(BITS, 1)), default=1)
    if bits > 16:
        raise BadImage(f"its values have {bits} bits: convert the file to 8 or 16 bits")
    if bits <= 8:
        _check_mode(image)
        return None
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        raise BadImage("a 16-bit TIFF in which 0 is white: convert the file so that 0 is black")
    if tags.get(PLANES) == APART and len(_values(tags.get(BITS))) > 1:
        # OpenCV leaves such pixels as they happen to lie in memory.
        raise BadImage("a 16-bit TIFF with its channels one after the other: store them pixel by pixel")
    # Its reader turns a TIFF upright.
    return _by_opencv(data, image.size, "a TIFF of more than 8 bits, damaged or stored in a rare way")


def _values(value: object) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) if isinstance(value, int) else (0,)


def _by_opencv(data: bytes, size: tuple[int, int], trouble: str) -> np.ndarray:
    import cv2

    # What is wrong is told once, and by us.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16 or sorted(array.shape[:2]) != sorted(size):
        raise BadImage(f"not a readable image ({trouble})")
    channels = 1 if array.ndim == 2 else array.shape[2]
    return array if channels < 3 else array[..., [2, 1, 0, 3][:channels]]


def _turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """Bring pixels upright by EXIF's number for how the camera was held."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
