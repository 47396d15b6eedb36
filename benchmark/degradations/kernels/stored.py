"""Measured kernels in a user's file: point spread functions of lenses and hands, or of cameras under a display."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from models.errors import UserError
from models.weights.formats.arrays import NoNumbers, is_npy, read_array, read_arrays
from models.weights.formats.doors import Damaged, content, regular_file


def stored_kernels(file: str | None, *, channels: bool = False) -> tuple[np.ndarray, ...]:
    """Read kernels from a NumPy file.

    The authors' own kernels are not part of this package. Their pickled dictionary becomes such a file with
    `np.savez("kernels.npz", *kernels.values())`.

    Arguments:
        file: Path of a `.npz` with one array a kernel, or of a `.npy` with one kernel or a stack of them.
        channels: Kernels have shape `(H, W, 3)`, one plane for each of R, G and B, instead of `(K, K)`, K odd.

    Returns:
        The kernels as float64; those without channels sum to 1.

    Raises:
        UserError: There is no file, it cannot be read, or an array in it is no kernel.
    """
    if file is None:
        raise UserError("a file of measured kernels is needed, none are shipped: give file='kernels.npz' or .npy")
    if not isinstance(file, str):
        raise UserError(f"file must be the path of a .npz or .npy file in quotes, not {file!r}")
    path = Path(file)
    if not path.is_file():
        raise UserError(f"there is no file of kernels at {file!r}: give the path of a .npz or .npy file")
    if path.suffix.lower() not in (".npz", ".npy"):  # what a spec out of a file names is opened only if it looks right
        raise UserError(f"{path} is no .npz or .npy file of plain arrays (its name ends otherwise)")
    state = path.stat()
    return _read(path, state.st_size, state.st_mtime_ns, channels)


@functools.lru_cache(maxsize=8)
def _read(path: Path, size: int, modified: int, channels: bool) -> tuple[np.ndarray, ...]:
    """Read and check the file; size and time of change are part of the cache's key."""
    try:
        with regular_file(path, what="file of kernels") as handle:
            one = is_npy(handle)
            arrays = [read_array(content(handle, path))] if one else list(read_arrays(handle).values())
    except NoNumbers as error:
        raise UserError(f"the kernels of {path} must hold finite numbers of at least 0 ({error})") from None
    except (Damaged, OSError) as error:
        raise UserError(f"{path} is no .npz or .npy file of plain arrays ({error})") from None
    rank = 3 if channels else 2
    kernels = [kernel for array in arrays for kernel in (array if array.ndim == rank + 1 else (array,))]
    if not kernels:
        raise UserError(f"{path} holds no kernel")
    return tuple(_checked(path, number, kernel, channels) for number, kernel in enumerate(kernels))


def _checked(path: Path, number: int, kernel: np.ndarray, channels: bool) -> np.ndarray:
    if channels:
        wanted = "(H, W, 3)"
        fits = kernel.ndim == 3 and kernel.shape[2] == 3 and min(kernel.shape) > 0
    else:
        wanted = "(K, K) with K odd and at most 99"
        fits = kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1] <= 99 and kernel.shape[0] % 2 == 1
    if not fits:
        raise UserError(f"kernel {number} of {path} has shape {kernel.shape}, expected {wanted}")
    if kernel.dtype.kind not in "fiu" or not np.isfinite(kernel).all() or not (kernel >= 0).all():
        raise UserError(f"kernel {number} of {path} must hold finite numbers of at least 0")
    kernel = kernel.astype(np.float64)
    if not (kernel.sum(axis=(0, 1)) > 0).all():
        raise UserError(f"kernel {number} of {path} is zero everywhere")
    return kernel if channels else kernel / kernel.sum()
