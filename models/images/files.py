"""The one door through which image files are opened: which formats there are, how large they may be, what is wrong."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from models.errors import UserError

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")
"""What Pillow may take a file for. It knows others by their first bytes as well, and hands some to other programs
(PostScript to Ghostscript), whatever a file is called."""

COMPRESSIONS = (
    *("raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "jpeg"),
    *("tiff_ccitt", "group3", "group4"),
)
"""How the pixels of a TIFF may be compressed: not by the rare ways that its library hands to decoders of others."""

MAX_PIXELS = 178_956_970  # Pillow's own limit against decompression bombs; larger files are refused
MAX_BYTES = 8 * MAX_PIXELS + 2**26
"""The longest image file: as many pixels as there may be, of four channels of 16 bits, and 64 MiB about them."""

Image.MAX_IMAGE_PIXELS = MAX_PIXELS

# What Pillow raises on files that somebody made to be wrong, besides what it documents.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error),
    *(LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, NotImplementedError),
)


class BadImage(UserError):
    """An image that cannot be used; the message is the reason."""


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
            # Of tags that hold nonsense Pillow warns one by one, of thousands in a file made for it; no pixel changes.
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(f"{image.width}x{image.height} pixels are more than the limit of {MAX_PIXELS}")
            if image.format == "TIFF" and (how := image.info.get("compression", "raw")) not in COMPRESSIONS:
                raise BadImage(f"a TIFF compressed by {how}: store it without compression, by LZW or by deflate")
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImage(f"more than {MAX_PIXELS} pixels: refused as a decompression bomb") from None
    except UnidentifiedImageError:
        # Pillow's own message holds a memory address, and reasons become part of a dataset's bytes.
        raise BadImage("not a readable image (no known format)") from None
    except MemoryError:
        raise BadImage("its pixels need more memory than there is") from None
    except _DAMAGE as error:
        raise BadImage(f"not a readable image ({error})") from None


def file_bytes(path: Path) -> bytes:
    """Return the bytes of an image file, if it is a file of a size that an image can have.

    Raises:
        BadImage: It is a device, a pipe or the like, or longer than `MAX_BYTES`; the message names it.
        OSError: It cannot be read.
    """
    # Opening a pipe would wait for somebody to write into it.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise BadImage(f"{path} is no file but a device, a pipe or the like: give an image file")
        if state.st_size > MAX_BYTES:
            raise BadImage(f"{path} has {state.st_size} bytes, more than an image can have: give an image file")
        # A file of the kernel has no size, and no end.
        return file.read(state.st_size)
