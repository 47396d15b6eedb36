"""Image files as nobody's camera makes them: other formats under wrong names, bombs, loops, damage, odd values."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pixels(height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels()).convert(mode).save(buffer, format=kind, **options)
    return buffer.getvalue()


def tiff(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(
    width: int, height: int, *, depth: int = 8, kind: int = 2, extra: bytes = b"", rows: int | None = None
) -> bytes:
    """Return a PNG of black pixels, of which only some rows may be there."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    row = 1 + (width * channels * depth + 7) // 8
    squeeze, black = zlib.compressobj(9), bytes(row)
    data = b"".join(squeeze.compress(black) for _ in range(height if rows is None else rows)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def plain_tiff(tags: list[tuple[int, int, int, bytes]], *, data: bytes = b"", following: int = 0) -> bytes:
    """Return a little-endian TIFF with these tags (number, type, count, four bytes); its directory comes first."""
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHI", *tag[:3]) + tag[3] for tag in tags)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", following) + data


def image_tags(width: int, height: int, **changed: int) -> list[tuple[int, int, int, bytes]]:
    """Return the tags of an 8-bit grey TIFF whose pixels follow its directory of ten tags."""
    values = {"width": width, "height": height, "bits": 8, "compression": 1, "photometric": 1, "offset": 134}
    values |= {"samples": 1, "rows": height, "bytes": width * height, "format": 1, **changed}
    numbers = {"width": 256, "height": 257, "bits": 258, "compression": 259, "photometric": 262, "offset": 273}
    numbers |= {"samples": 277, "rows": 278, "bytes": 279, "format": 339}
    return [(numbers[name], 4, 1, struct.pack("<I", value % 2**32)) for name, value in values.items()]


def jpeg_of_size(width: int, height: int) -> bytes:
    """Return a JPEG that claims another size than it has."""
    data = bytearray(saved("JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def exif_in_jpeg(exif: bytes, *, segments: int = 1) -> bytes:
    data, body = saved("JPEG"), b""
    for number in range(segments):
        part = b"Exif\0\0" + exif[number * 60000 : (number + 1) * 60000]
        body += b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part
    return data[:2] + body + data[2:]


def looping_exif() -> bytes:
    """Return EXIF whose directories name themselves as their inner ones."""
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, 8) for tag in (0x8769, 0x8825, 0xA005))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 3) + entries + struct.pack("<I", 8)


def swelling_exif(entries: int, size: int) -> bytes:
    """Return EXIF of many tags that all name the same large piece of it as theirs."""
    body = b"".join(struct.pack("<HHII", tag + 1, 7, size, 8) for tag in range(entries))
    found = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", entries) + body + struct.pack("<I", 0)
    return found.ljust(size + 8, b"\0")


def many_directories(count: int) -> bytes:
    first = plain_tiff(image_tags(4, 4), data=bytes(16))
    bare = struct.pack("<H", 1) + struct.pack("<HHII", 256, 4, 1, 1)
    places = [len(first) + number * 18 for number in range(count)]
    following = [*places[1:], places[0]]
    body = b"".join(bare + struct.pack("<I", place) for place in following)
    return first[:130] + struct.pack("<I", len(first)) + first[134:] + body


def animated(kind: str, frames: int = 3) -> bytes:
    buffer = io.BytesIO()
    pictures = [Image.fromarray(np.roll(pixels(), number, 0)) for number in range(frames)]
    pictures[0].save(buffer, format=kind, save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


def bad_profile(content: bytes) -> bytes:
    return saved("JPEG", "CMYK", icc_profile=content)


def _other(kind: str, mode: str = "RGB") -> Callable[[], bytes]:
    return lambda: saved(kind, mode)


def _cut(kind: str, part: float) -> Callable[[], bytes]:
    return lambda: (data := saved(kind))[: int(len(data) * part)]


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
G16 = np.random.default_rng(1).integers(0, 65536, (20, 30), dtype=np.uint16)
WIDE = np.random.default_rng(1).integers(0, 65536, (3, 20, 30), dtype=np.uint16)

REFUSED: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"no picture at all",
    "html": lambda: b"<html><img src=x onerror=alert(1)></html>",
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\nshowpage\n",
    "eps": _other("EPS"),
    "pdf": _other("PDF"),
    "gif": _other("GIF", "P"),
    "gif of frames": lambda: animated("GIF"),
    "pcx": _other("PCX"),
    "tga": _other("TGA"),
    "sgi": _other("SGI"),
    "ico": _other("ICO"),
    "icns": _other("ICNS"),
    "dds": _other("DDS"),
    "xbm": _other("XBM", "1"),
    "im": _other("IM"),
    "msp": _other("MSP", "1"),
    "jpeg 2000": _other("JPEG2000"),
    "wmf": lambda: b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<4hHII", 0, 0, 9, 9, 72, 0, 0) + b"\x01\x00\t\0" + bytes(40),
    "fli": lambda: struct.pack("<IHHHHHHI", 200, 0xAF11, 1, 9, 9, 8, 3, 5) + bytes(180),
    "photoshop": lambda: b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 9, 9, 8, 3) + bytes(99),
    "olefile": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "png cut": _cut("PNG", 0.5),
    "png header alone": _cut("PNG", 0.03),
    "jpeg cut": _cut("JPEG", 0.6),
    "jpeg header alone": _cut("JPEG", 0.05),
    "tiff cut": lambda: tiff(pixels())[:150],
    "webp cut": _cut("WEBP", 0.5),
    "bmp cut": _cut("BMP", 0.5),
    "ppm cut": _cut("PPM", 0.5),
    "png without pixels": lambda: SIGNATURE + png(9, 9)[8:33] + chunk(b"IEND", b""),
    "png of 2^31 pixels a side": lambda: png(2**31 - 1, 2**31 - 1, rows=0),
    "png of one row": lambda: png(200_000_000, 1, rows=0),
    "png bomb": lambda: png(20_000, 20_000, kind=0, depth=1),
    "16-bit png cut": lambda: png(64, 64, depth=16, rows=3)[:90],
    "jpeg of 65500 pixels a side": lambda: jpeg_of_size(65500, 65500),
    "jpeg larger than it is": lambda: jpeg_of_size(4000, 4000)[:-200],
    "bmp of 2^31 pixels a side": lambda: saved("BMP")[:18] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + bytes(200),
    "ppm of 10^9 pixels a side": lambda: b"P6\n1000000000 1000000000\n255\n" + bytes(99),
    "ppm without white": lambda: b"P5\n2 2\n0\n" + bytes(4),
    "ppm of a long number": lambda: b"P5\n" + b"9" * 5000 + b" 2\n255\n" + bytes(9),
    "pfm": lambda: b"Pf\n30 20\n-1.0\n" + np.full((20, 30), np.nan, "<f4").tobytes(),
    "png text bomb": lambda: png(9, 9, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27), 9))),
    "png long text bomb": lambda: png(9, 9, extra=chunk(b"iTXt", b"a\0\x01\0\0\0" + zlib.compress(bytes(2**27), 9))),
    "png of many texts": lambda: png(9, 9, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6), 9)) * 200),
    "tiff of 10^9 pixels a side": lambda: plain_tiff(image_tags(10**9, 10**9), data=bytes(99)),
    "tiff without pixels": lambda: plain_tiff(image_tags(30, 20, offset=10**6)),
    "tiff by zstd": lambda: plain_tiff(image_tags(4, 4, compression=50000), data=bytes(16)),
    "tiff by webp": lambda: plain_tiff(image_tags(4, 4, compression=50001), data=bytes(16)),
    "tiff by lzma": lambda: plain_tiff(image_tags(4, 4, compression=34925), data=bytes(16)),
    "tiff by old jpeg": lambda: plain_tiff(image_tags(4, 4, compression=6), data=bytes(16)),
    "tiff by thunderscan": lambda: plain_tiff(image_tags(4, 4, bits=4, compression=32809), data=bytes(16)),
    "tiff of negative bytes": lambda: tiff(G16.astype(np.int8)),
    "tiff of negative numbers": lambda: tiff(G16.astype(np.int16)),
    "tiff of 32 bits": lambda: tiff(G16.astype(np.uint32)),
    "tiff of floats": lambda: tiff(np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)),
    "tiff of no numbers": lambda: tiff(np.full((20, 30), np.nan, np.float32)),
    "16-bit tiff, white is 0": lambda: tiff(G16, photometric="miniswhite"),
    "16-bit tiff, channels apart": lambda: tiff(WIDE, photometric="rgb", planarconfig="separate"),
    "16-bit tiff cut": lambda: tiff(G16)[:400],
    "tiff whose pixels are elsewhere": lambda: plain_tiff(image_tags(30, 20, bits=16, bytes=1200, offset=2**31)),
}
"""Files that are refused at every door."""

BORNE: dict[str, Callable[[], bytes]] = {
    "png of few rows": lambda: png(300, 300, rows=2),
    "tiff of 50,000 directories in a circle": lambda: many_directories(50_000),
    "tiff that names itself as the next": lambda: plain_tiff(image_tags(4, 4), data=bytes(16), following=8),
    "exif in a circle": lambda: exif_in_jpeg(looping_exif()),
    "exif that swells": lambda: exif_in_jpeg(swelling_exif(4000, 59_000)),
    "exif that swells over segments": lambda: exif_in_jpeg(swelling_exif(60_000, 10**6), segments=20),
    "png exif that swells": lambda: png(9, 9, extra=chunk(b"eXIf", swelling_exif(60_000, 3 * 10**6))),
    "png of 10^7 pixels in a row": lambda: png(10**7, 1, kind=0),
    "png of 16 bits in a row": lambda: png(2_000_000, 1, kind=0, depth=16),
    "png of frames": lambda: animated("PNG"),
    "webp of frames": lambda: animated("WEBP"),
    "tiff of pages": lambda: animated("TIFF"),
    "png profile bomb": lambda: png(9, 9, extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**27), 9))),
    "png with a wrong sum": lambda: saved("PNG")[:-20] + b"\0" + saved("PNG")[-19:],
    "cmyk with a profile of zeros": lambda: bad_profile(bytes(4000)),
    "cmyk with a profile of another kind": lambda: bad_profile(PROFILE),
    "cmyk with a cut profile": lambda: bad_profile(PROFILE[:200]),
    "big tiff": lambda: tiff(pixels(), bigtiff=True),
    "16-bit big tiff": lambda: tiff(G16, bigtiff=True),
}
"""Files that may be read or refused, in little time and memory."""


def made(case: Callable[[], bytes]) -> bytes:
    """Return the bytes of a case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return case()
