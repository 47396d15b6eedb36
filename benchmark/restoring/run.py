"""Restoring one image after another from file to file, with what its kind of file holds besides colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.restoring.files import Ledger, PhotoJob, is_file
from models.errors import UserError
from models.files import write_bytes
from models.images.photo import Photo, read_photo
from models.images.photo_writing import encode_photo
from models.markdown import shown

if TYPE_CHECKING:
    from torch import Tensor

    from models.inference.restore import Precision
    from models.inference.restorer import Restorer


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """How images are restored, see `models.inference.restore.restore`.

    Arguments:
        max_memory: Bytes that may be used in all.
        tile: Side of the tiles.
        precision: What the network computes in.
        batch: How many images of the same size are restored together.
        check_tiles: Whether an image that was tiled is restored whole as well, to tell by how much the two differ.
        overwrite: Whether files that are there already are restored again.
    """

    max_memory: int | None = None
    tile: int | None = None
    precision: Precision = "fp32"
    batch: int = 1
    check_tiles: bool = False
    overwrite: bool = False


@dataclass
class Tally:
    """How many images were restored, were there already, and were left out."""

    restored: int = 0
    there: int = 0
    failed: int = 0


def restore_files(
    restorer: Restorer,
    jobs: Sequence[PhotoJob],
    way: RestoreOptions,
    *,
    ledger: Ledger | None,
    say: Callable[[str], None],
    warn: Callable[[str], None],
    progress: Callable[[float], None],
) -> Tally:
    """Restore image after image; those that cannot be are told and left out.

    Arguments:
        restorer: The network.
        jobs: What to restore.
        way: How.
        ledger: What was written before; None to write everything anew.
        say: Called with a line about an image.
        warn: Called with a line about an image that is left out.
        progress: Called with the number of network calls done, of those in tiles with the part that is done.

    Raises:
        UserError: The only image there is cannot be restored.
    """
    tally = Tally()
    calls = restorer.nfe if restorer.card.sampler else 1
    for group in _groups(jobs, way, ledger, tally, alone=len(jobs) == 1, warn=warn):
        done = calls * (tally.restored + tally.there + tally.failed)
        progress(done)
        try:
            photos = [photo for _, photo, _ in group]
            restored = _restore(restorer, photos, way, lambda made, done=done: progress(done + made))
        except UserError as error:
            if len(jobs) == 1:
                raise
            for job, _, _ in group:
                warn(f"left out: {shown(str(job.file))}: {error}")
            tally.failed += len(group)
            continue
        for (job, photo, data), image in zip(group, restored, strict=True):
            try:
                _write(restorer, job, photo, data, image, ledger)
                tally.restored += 1
                _tell(restorer, job, photo, way, say)
            except UserError as error:
                if len(jobs) == 1:
                    raise
                warn(f"left out: {shown(str(job.file))}: {error}")
                tally.failed += 1
    progress(calls * len(jobs))
    return tally


def _write(
    restorer: Restorer, job: PhotoJob, photo: Photo, data: bytes, image: np.ndarray, ledger: Ledger | None
) -> None:
    """Write a restored image.

    Raises:
        UserError: It holds values that no image can have, or its format cannot hold it.
    """
    if not np.isfinite(image).all():
        raise UserError(
            f"the network {restorer.card.name!r} made values that are not finite (NaN or infinity) of it, and nothing "
            "was written: check its weights, or use --precision fp32"
        )
    written = encode_photo(photo, image, job.out.suffix, rounding=restorer.card.rounding)
    is_file(job.out)
    if ledger is not None:
        ledger.add(job.out, data, written)
    write_bytes(job.out, written)


Opened = tuple[PhotoJob, Photo, bytes]


def _groups(
    jobs: Sequence[PhotoJob],
    way: RestoreOptions,
    ledger: Ledger | None,
    tally: Tally,
    *,
    alone: bool,
    warn: Callable[[str], None],
) -> Iterator[list[Opened]]:
    """Read the images that are still to be restored, neighbours of the same size together."""
    group: list[Opened] = []
    for job in jobs:
        try:
            is_file(job.out)
            photo, data = read_photo(job.file)
            if ledger is not None and not way.overwrite and ledger.knows(job.out, data):
                tally.there += 1
                continue
        except UserError as error:
            if alone:
                raise
            warn(f"left out: {shown(str(error))}")
            tally.failed += 1
            continue
        if group and (len(group) == way.batch or group[0][1].colour.shape != photo.colour.shape):
            yield group
            group = []
        group.append((job, photo, data))
    if group:
        yield group


def _tensor(photo: Photo) -> Tensor:
    import torch

    return torch.from_numpy(photo.colour).permute(2, 0, 1).contiguous()


def _restore(
    restorer: Restorer, photos: Sequence[Photo], way: RestoreOptions, progress: Callable[[float], None]
) -> list[Any]:
    import torch

    from models.inference.restore import restore

    restored = restore(
        restorer,
        torch.stack([_tensor(photo) for photo in photos]),
        max_memory=way.max_memory,
        tile=way.tile,
        precision=way.precision,
        progress=lambda made: progress(len(photos) * made),
    )
    return list(restored.permute(0, 2, 3, 1).numpy())


def _tell(restorer: Restorer, job: PhotoJob, photo: Photo, way: RestoreOptions, say: Callable[[str], None]) -> None:
    """Say what was recognised in an image, and what tiles have changed."""
    from models.inference.restore import tile_difference
    from models.vocabulary import DEGRADATIONS

    if restorer.daclip is not None:
        word, probability = restorer.recognise(_tensor(photo), DEGRADATIONS)[0]
        say(f"{job.file.name}: {word} ({100 * probability:.0f} %)")
    if way.check_tiles:
        found = tile_difference(
            restorer, _tensor(photo), max_memory=way.max_memory, tile=way.tile, precision=way.precision
        )
        if found is None:
            say(f"{job.file.name}: restored whole, no tiles")
        else:
            worst, mean = found
            say(f"{job.file.name}: tiles change {worst:.2f} grey levels at most, {mean:.4f} on average")
