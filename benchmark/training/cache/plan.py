"""Where every image lies in the cache of decoded images, and the parts in which it is filled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmark.dataset.folder import Dataset


@dataclass(frozen=True)
class GroupJob:
    """One row group of a shard to decode.

    Arguments:
        shard: The Parquet file.
        group: Number of the row group.
        rows: The rows' entries in the index of the cache, in order.
        clean: Whether the clean image of each row is written; False where an earlier row has written it.
        pixels: The file to write into.
        done: The file that tells that the group is done.
    """

    shard: Path
    group: int
    rows: tuple[dict[str, Any], ...]
    clean: tuple[bool, ...]
    pixels: Path
    done: Path


def plan_cache(index: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Give every image its place: degraded images in the order of the rows, a clean one after the first that needs it.

    Arguments:
        index: The split's rows without their pixels.

    Returns:
        The rows of the cache's index, and the bytes of all pixels.
    """
    clean: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    end = 0
    for row in index:
        size = row["width"] * row["height"] * 3
        degraded, end = end, end + size
        if row["clean_sha256"] not in clean:
            clean[row["clean_sha256"]], end = end, end + size
        rows.append(
            {
                "key": row["key"],
                "degradation": row["degradation"],
                "words": ", ".join(row["degradations"]),
                "width": row["width"],
                "height": row["height"],
                "degraded": degraded,
                "clean": clean[row["clean_sha256"]],
            }
        )
    return rows, end


def plan_jobs(dataset: Dataset, split: str, folder: Path, rows: list[dict[str, Any]]) -> list[GroupJob]:
    """Cut a split into row groups to decode, each with its own mark in `folder / "done"`."""
    jobs: list[GroupJob] = []
    seen: set[int] = set()
    start = 0
    for shard in dataset.shards(split):
        metadata = pq.read_metadata(shard)
        for group in range(metadata.num_row_groups):
            mine = rows[start : start + metadata.row_group(group).num_rows]
            start += len(mine)
            first = []
            for row in mine:
                first.append(row["clean"] not in seen)
                seen.add(row["clean"])
            done = folder / "done" / f"{shard.stem}-{group}"
            jobs.append(GroupJob(shard, group, tuple(mine), tuple(first), folder / "pixels.u8", done))
    return jobs
