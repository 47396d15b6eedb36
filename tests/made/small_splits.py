"""Small splits in Parquet files as a dataset has them, and a captioner that counts what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from captioning.captioners.contract import CleanImage
from captioning.captioners.sidecar import SidecarCaptioner
from captioning.plan import Split
from models.files import sha256_bytes, sha256_json
from models.images.pixels import encode_png


def pictures(count: int, *, seed: int = 3) -> list[bytes]:
    """Return PNG files of sixteen large coloured squares each."""
    generator = np.random.default_rng(seed)
    squares = generator.integers(0, 256, (count, 4, 4, 3)).astype(np.uint8)
    return [encode_png(picture.repeat(9, 0).repeat(8, 1)) for picture in squares]


def write_splits(
    folder: Path, data: Sequence[bytes], *, degradations: bool = True, damaged: frozenset[int] = frozenset()
) -> dict[str, Split]:
    """Write a train split in which every picture occurs under two degradations, and a test split of every third again.

    Arguments:
        folder: Where the Parquet files go.
        data: The clean images.
        degradations: Whether the files have the column `degradations`.
        damaged: Numbers of the pictures whose stored bytes are not those of their digest.
    """

    def row(word: str, number: int) -> dict[str, Any]:
        words = ["rainy", "noisy"] if word == "rainy" else [word]
        stored = b"\x89PNG broken" if number in damaged else data[number]
        found = {"key": f"{word}/{number}", "degradation": word, "clean_sha256": sha256_bytes(data[number])}
        listed = {"degradations": words} if degradations else {}
        return {**found, **listed, "clean": {"bytes": stored, "path": None}}

    kinds = {
        "train": [row(word, number) for word in ("noisy", "rainy") for number in range(len(data))],
        "test": [row("snowy", number) for number in range(0, len(data), 3)],
    }
    splits: dict[str, Split] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in kinds.items():
        files = []
        for start in range(0, len(rows), 10):
            files.append(folder / f"{name}-{start:05d}.parquet")
            pq.write_table(pa.Table.from_pylist(rows[start : start + 10]), files[-1], row_group_size=4)
        digest = sha256_json([[row["key"], row["clean_sha256"]] for row in rows])
        splits[name] = Split(tuple(files), digest)
    return splits


def texts_for(data: Sequence[bytes], prefix: str = "picture") -> dict[str, str]:
    """Return a caption for each picture, by its digest."""
    return {sha256_bytes(picture): f"{prefix} {number}" for number, picture in enumerate(data)}


class Counting(SidecarCaptioner):
    """A sidecar captioner that counts the images it sees and can fail."""

    def __init__(self, captions: dict[str, str], fail_after: int | None = None) -> None:
        super().__init__(captions)
        self.seen = 0
        self.fail_after = fail_after

    def caption(self, images: Sequence[CleanImage]) -> list[str]:
        self.seen += len(images)
        if self.fail_after is not None and self.seen > self.fail_after:
            raise KeyboardInterrupt
        return super().caption(images)
