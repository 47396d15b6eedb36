"""What is to be built: samples cut into shards, and a digest of everything that determines the dataset's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL
import pyarrow as pa

from benchmark import __version__
from benchmark.dataset.schema import SCHEMA_VERSION
from benchmark.results.provenance import names_only
from benchmark.sources.samples import Rejected, Sample
from models.errors import UserError
from models.files import sha256_bytes
from models.vocabulary import SPLITS

SHARD_BYTES = 128_000_000
SHARD_ROWS = 512
"""A shard is closed before it passes either limit. The bytes are an estimate made before anything is decoded."""

GROUP_BYTES = 24_000_000
GROUP_ROWS = 64
"""A row group is closed when it reaches either limit: it is what a writer or reader holds in memory."""


@dataclass(frozen=True)
class ShardJob:
    """One Parquet file to write."""

    file: Path
    samples: tuple[Sample, ...]


def plan_shards(samples: Sequence[Sample], data: Path) -> list[ShardJob]:
    """Cut the samples into shards, in their order, split by split.

    Arguments:
        samples: All pairs of the dataset.
        data: Folder of the shards.

    Raises:
        UserError: There is no sample, or two share a key.
    """
    if not samples:
        raise UserError("no pairs were found: give at least one source with images")
    seen: set[str] = set()
    for sample in samples:
        if sample.key in seen:
            raise UserError(f"two pairs share the key {sample.key!r}: give each source once, and unique file names")
        seen.add(sample.key)
    jobs = []
    for split in SPLITS:
        parts = _cut([sample for sample in samples if sample.split == split])
        for index, part in enumerate(parts):
            jobs.append(ShardJob(data / f"{split}-{index:05d}-of-{len(parts):05d}.parquet", tuple(part)))
    return jobs


def _cut(samples: Sequence[Sample]) -> list[list[Sample]]:
    parts: list[list[Sample]] = []
    size = 0
    for sample in samples:
        cost = _cost(sample)
        if not parts or size + cost > SHARD_BYTES or len(parts[-1]) == SHARD_ROWS:
            parts.append([])
            size = 0
        parts[-1].append(sample)
        size += cost
    return parts


def _cost(sample: Sample) -> int:
    # A synthesised image is noisier than its clean one and stored as PNG: about twice its bytes.
    return sample.clean.size + (sample.degraded.size if sample.degraded else 2 * sample.clean.size)


def plan_digest(samples: Sequence[Sample], rejected: Sequence[Rejected]) -> str:
    """Return a digest of what determines the dataset's bytes; image files count by name and size."""
    versions = (__version__, pa.__version__, PIL.__version__, np.__version__, cv2.__version__)
    limits = (SCHEMA_VERSION, SHARD_BYTES, SHARD_ROWS, GROUP_BYTES, GROUP_ROWS)
    lines = [" ".join(str(part) for part in (*versions, *limits))]
    for s in samples:
        images = (s.clean.fingerprint, s.degraded.fingerprint if s.degraded else "")
        texts = (s.degradation, s.spec or "", str(s.seed), s.caption or "", *s.words)
        lines.append("\t".join((s.key, s.source, *images, *texts)))
    lines += [f"{r.key}\t{names_only(r.reason)}" for r in rejected]
    return sha256_bytes("\n".join(lines).encode(errors="surrogateescape"))
