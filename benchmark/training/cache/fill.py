"""Filling the cache of decoded images: every place is known beforehand, so processes write side by side."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmark.dataset.folder import Dataset, check_image
from benchmark.engine.local import advance, default_workers, run_locally
from benchmark.training.cache.digests import digest_of, is_sound, read_mark, write_index, write_mark
from benchmark.training.cache.plan import GroupJob, plan_cache, plan_jobs
from models.errors import UserError
from models.images.pixels import BadImage, decode

SMALL_BYTES = 250_000_000
"""Up to this size one process decodes the whole set before others have started."""


def fill_cache(
    dataset: Dataset,
    split: str,
    folder: Path,
    *,
    whole: Callable[[], bool],
    workers: int | None,
    progress: Callable[[int], None],
    announce: Callable[[str], None],
) -> None:
    """Decode a split into `folder`: pixels and marks of finished row groups first, `index.json` last.

    Arguments:
        dataset: The dataset.
        split: Its split.
        folder: The cache folder; what a killed process left there is continued.
        whole: Tells whether another process has finished it meanwhile.
        workers: Processes, 0 for this one alone; None to choose by size.
        progress: Called with the number of pairs decoded, also while another process is at it.
        announce: Called with a sentence that tells the size.

    Raises:
        UserError: There is no room, the folder cannot be written, or an image cannot be decoded.
    """
    _refuse_links(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"decoded images are kept in {folder.parent}, which cannot be written: {error.strerror}"
        ) from None
    for shard in dataset.shards(split):
        dataset.checked(shard)
    rows, size = plan_cache(dataset.index(split))
    jobs = plan_jobs(dataset, split, folder, rows)
    with _turn(folder, waiting=lambda: progress(_finished_rows(jobs))):
        if whole():
            return
        (folder / "index.json").unlink(missing_ok=True)  # of a cache whose pixels are no longer whole
        pixels = folder / "pixels.u8"
        if not pixels.is_file() or pixels.stat().st_size != size:
            shutil.rmtree(folder / "done", ignore_errors=True)
            pixels.unlink(missing_ok=True)
        missing = size - (pixels.stat().st_blocks * 512 if pixels.is_file() else 0)
        free = shutil.disk_usage(folder).free
        if missing > free:
            raise UserError(
                f"decoding {split} needs {missing / 1e9:.2f} GB on the disk of {folder.parent}, where "
                f"{free / 1e9:.2f} GB are free: make room first"
            )
        announce(f"decoding {len(rows):,} pairs of {split} once, into {folder} ({size / 1e9:.2f} GB on disk)")
        with open(pixels, "ab") as handle:
            handle.truncate(size)
        (folder / "done").mkdir(exist_ok=True)
        left = _unfinished(jobs, pixels, announce)
        already = _finished_rows(jobs)
        if workers is None:
            workers = default_workers() if missing > SMALL_BYTES else 0
        progress(already)
        for _ in run_locally(decode_group, left, workers=workers, progress=lambda done: progress(already + done)):
            pass
        digests: dict[str, str] = {}
        for job in jobs:
            mark = read_mark(job)
            if mark is None:
                raise UserError(f"{job.done} was changed while images were decoded: run the same command again")
            digests |= mark
        write_index(folder, digest=dataset.split(split)["digest"], size=size, rows=rows, pixels=digests)
        shutil.rmtree(folder / "done", ignore_errors=True)


def decode_group(job: GroupJob) -> None:
    """Decode one row group into its places; its mark is written when the pixels are on disk.

    Raises:
        UserError: An image cannot be decoded or is not of the size that its row tells, or the disk is full.
    """
    number = 0
    digests: dict[str, str] = {}
    columns = ["key", "degraded", "clean", "degraded_sha256", "clean_sha256"]
    try:
        with open(job.pixels, "r+b") as handle:
            file = pq.ParquetFile(job.shard)
            batches = file.iter_batches(batch_size=4, row_groups=[job.group], columns=columns)
            for row in (row for batch in batches for row in batch.to_pylist()):
                entry = job.rows[number]
                for role in ("degraded", "clean")[: 1 + job.clean[number]]:
                    check_image(row, role)
                    pixels = _write(handle.fileno(), entry, role, row[role]["bytes"], shard=job.shard)
                    digests[str(entry[role])] = digest_of(pixels)
                number += 1
                advance()
            os.fsync(handle.fileno())
        write_mark(job, digests)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise UserError(f"the disk of {job.pixels.parent} is full: make room and run the same command again") from None


def clear_stale(root: Path, split: str, *, keep: Path) -> None:
    """Remove caches of a split that belong to earlier builds of the dataset or to other versions of this program.

    One that a process is still filling is left alone. A training that reads one keeps what it has mapped.
    """
    ours = re.compile(rf"{re.escape(split)}-[0-9a-f]{{16}}(-v\d+)?")
    for folder in root.glob(f"{split}-*"):
        if folder == keep or not ours.fullmatch(folder.name) or folder.is_symlink() or (folder / ".lock").is_symlink():
            continue
        try:
            with open(folder / ".lock", "w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def _write(handle: int, entry: dict[str, Any], role: str, data: bytes, *, shard: Path) -> np.ndarray:
    try:
        pixels = decode(data)
    except BadImage as error:
        raise BadImage(f"{entry['key']}: {error}; run bench verify on {shard.parents[1]}") from None
    if pixels.shape[:2] != (entry["height"], entry["width"]):
        height, width = pixels.shape[:2]
        raise UserError(
            f"{entry['key']}: the {role} image has {width}x{height} pixels, its row tells {entry['width']}x"
            f"{entry['height']}; run bench verify on {shard.parents[1]}"
        )
    flat = np.ascontiguousarray(pixels).reshape(-1)
    left, place = flat.data, entry[role]
    while left:  # the system may take less than all at once
        wrote = os.pwrite(handle, left, place)
        left, place = left[wrote:], place + wrote
    return flat


def _unfinished(jobs: list[GroupJob], pixels: Path, announce: Callable[[str], None]) -> list[GroupJob]:
    """Return the row groups that are left to decode; one that was damaged since it was decoded is among them."""
    marked = [job for job in jobs if job.done.exists()]
    written = np.memmap(pixels, dtype=np.uint8, mode="r") if marked else np.zeros(0, np.uint8)
    damaged = [job for job in marked if not is_sound(job, written)]
    for job in damaged:
        job.done.unlink()
    if damaged:
        announce(f"{len(damaged)} of {len(marked)} finished parts in {pixels.parent} are damaged: decoded again")
    return [job for job in jobs if not job.done.exists()]


def _refuse_links(folder: Path) -> None:
    """Refuse a cache of which a part is a link: what is written there would end elsewhere."""
    for path in (folder.parent, folder, *(folder / name for name in (".lock", "pixels.u8", "done"))):
        if path.is_symlink():
            raise UserError(f"{path} is a link, and nothing is written through links: remove it")


def _finished_rows(jobs: list[GroupJob]) -> int:
    return sum(len(job.rows) for job in jobs if job.done.exists())


@contextmanager
def _turn(folder: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the folder for this process; while another holds it, call `waiting` now and then."""
    with open(folder / ".lock", "w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(0.2)
        yield
