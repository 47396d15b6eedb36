"""Arrays of numpy in files (.npy, .npz): each header is compared with the bytes behind it before room is made."""

from __future__ import annotations

import io
import math
from typing import Any, BinaryIO

import numpy as np

from models.weights.formats.doors import Damaged, length
from models.weights.formats.zips import check_unpacked, members, unpacked

NPY = b"\x93NUMPY"
KINDS = "biufc"
HEADER = 10_000
MOST = 1 << 48


class NoNumbers(Damaged):
    """An array of something else than numbers."""


def read_array(data: bytes) -> np.ndarray:
    """Return the array of a .npy file.

    Arguments:
        data: The whole file.

    Raises:
        Damaged: It is no such file, or does not hold the bytes that its header says.
        NoNumbers: It holds something else than numbers.
    """
    stream = io.BytesIO(data)
    shape, fortran, dtype = _header(stream)
    count = math.prod(shape)
    if count * dtype.itemsize != len(data) - stream.tell() or math.prod(max(1, one) for one in shape) > MOST:
        raise Damaged(f"an array of shape {shape} in it has not the bytes of its shape"[:200])
    # A copy, as what lies in bytes cannot be written to.
    flat = np.frombuffer(data, dtype, count, stream.tell()).copy() if count else np.empty(0, dtype)
    return flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)


def read_arrays(handle: BinaryIO) -> dict[str, np.ndarray]:
    """Return the arrays of an open .npz file by name, in its order.

    Raises:
        Damaged: It is no archive of arrays, or would unpack to far more than it is.
        NoNumbers: An array of it holds something else than numbers.
    """
    found = members(handle)
    check_unpacked(found.values(), handle)
    return {name.removesuffix(".npy"): read_array(unpacked(handle, member)) for name, member in found.items()}


def is_npy(handle: BinaryIO) -> bool:
    """Say whether an open file begins as a .npy file does."""
    handle.seek(0)
    return handle.read(min(len(NPY), length(handle))) == NPY


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream, max_header_size=HEADER)
    except Exception as error:  # numpy evaluates the header as Python's literals; broken ones raise nearly anything
        raise Damaged(f"an array in it has no header that can be read ({type(error).__name__})") from None
    if dtype.kind not in KINDS or dtype.fields is not None or dtype.subdtype is not None:
        raise NoNumbers(f"an array in it holds {str(dtype)[:60]}")
    if len(shape) > 32 or not all(type(one) is int and 0 <= one <= MOST for one in shape):
        raise Damaged("an array in it has a shape that cannot be")
    return shape, fortran, dtype
