"""Batches to validate on during training: whole images or centre crops of some pairs of every type."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.training.batches.daclip import texts_and_labels
from benchmark.training.batches.order import own_slots
from benchmark.training.batches.patches import centre_patch, cut
from benchmark.training.batches.restoration import float_batch
from benchmark.training.cache.read import DecodedCache
from models.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    Named = dict[str, Tensor | list[str]]


def held_out(cache: DecodedCache, *, share: float) -> np.ndarray:
    """Return rows to keep out of training: of every type the same share of its clean images, with all their pairs.

    A clean image that two types share is held out of both, so that nothing validated on has been seen in another
    degradation. Which ones follows from their keys alone: further pairs elsewhere in the set change nothing.

    Arguments:
        cache: The decoded pairs of the training split.
        share: Part of each type's clean images, rounded up, at least one of two or more.

    Raises:
        UserError: The share is not between 0 and 1, or a type has a single clean image.
    """
    if not 0 < share < 1:
        raise UserError(f"the share that is held out must be above 0 and below 1, got {share}")
    rank: dict[int, str] = {}
    for row in cache.rows:
        digest = hashlib.sha256(row["key"].encode()).hexdigest()
        rank[row["clean"]] = min(digest, rank.get(row["clean"], digest))
    held: set[int] = set()
    for word, rows in cache.positions().items():
        images = sorted({cache.rows[int(row)]["clean"] for row in rows}, key=lambda place: rank[place])
        if len(images) < 2:
            raise UserError(f"{word} has a single clean image: validate on another split instead of a held-out part")
        held.update(images[: min(int(np.ceil(share * len(images))), len(images) - 1)])
    return np.asarray([number for number, row in enumerate(cache.rows) if row["clean"] in held], dtype=np.int64)


def validation_batches(
    cache: DecodedCache,
    *,
    size: int | None = None,
    per_type: int | None = None,
    batch_size: int = 8,
    rows: Iterable[int] | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[Named]:
    """Yield every chosen pair once, one type after the other.

    Arguments:
        cache: The decoded pairs of the split.
        size: Side S of the centre crop, smaller images being padded by reflection; None for whole images, neighbours
            of equal size sharing a batch.
        per_type: Pairs of each type, spread evenly over its rows; None for all.
        batch_size: Most pairs at a time.
        rows: Rows to choose from, as `held_out` returns them; None for all.
        rank: Number of this process; every so many-th pair is its own.
        world_size: Number of processes.

    Yields:
        `degraded` and `clean`, float32 with shape `(B, 3, S, S)` or `(B, 3, H, W)`, in [0, 1]; `index`, int64 with
        shape `(B,)`, the rows; `degradation`, the type of each.
    """
    import torch

    chosen = chosen_rows(cache, per_type=per_type, rows=rows)[rank::world_size]
    for row_numbers in _grouped(cache, chosen, size=size, batch_size=batch_size):
        pairs = []
        for row in row_numbers:
            pair = cache.pair(row)
            patch = None if size is None else centre_patch(cache.shape(row), size)
            pairs.append(pair if patch is None else tuple(cut(image, patch) for image in pair))
        yield {
            "degraded": float_batch([degraded for degraded, _ in pairs]),
            "clean": float_batch([clean for _, clean in pairs]),
            "index": torch.tensor(row_numbers),
            "degradation": [cache.rows[row]["degradation"] for row in row_numbers],
        }


def daclip_validation(
    cache: DecodedCache,
    captions: Sequence[str],
    *,
    image_size: int,
    context_length: int,
    per_type: int | None = None,
    batch_size: int = 8,
    rows: Iterable[int] | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[Named]:
    """Yield every chosen degraded image once, prepared as at test time, with its two texts; types are mixed.

    Arguments:
        cache: The decoded pairs of the split.
        captions: The caption of each pair, in the cache's order.
        image_size: Side S that CLIP takes.
        context_length: Tokens of a text.
        per_type: Images of each type, spread evenly over its rows; None for all.
        batch_size: Images at a time, over all processes.
        rows: Rows to choose from, as `held_out` returns them; None for all.
        rank: Number of this process; it gets a contiguous part of each batch.
        world_size: Number of processes.

    Yields:
        `image`, `text`, `label` and `index` as `daclip_batches`; `degradation`, the type of each.
    """
    import torch

    from models.daclip.preprocess import preprocess

    text, label = texts_and_labels(cache, captions, context_length=context_length)
    chosen = chosen_rows(cache, per_type=per_type, rows=rows)
    # Types side by side in a batch: among images of one type there would be nothing to tell apart.
    parts = -(-len(chosen) // batch_size)
    for part in range(parts):
        batch = chosen[part::parts]
        if len(batch) < world_size:
            raise UserError(f"{len(batch)} images to validate on cannot be shared by {world_size} processes: take more")
        mine = batch[own_slots(len(batch), rank=rank, world_size=world_size)]
        index = torch.tensor(mine)
        yield {
            "image": torch.stack([preprocess(cache.degraded(row), size=image_size) for row in mine]),
            "text": text[index],
            "label": label[index],
            "index": index,
            "degradation": [cache.rows[row]["degradation"] for row in mine],
        }


def chosen_rows(cache: DecodedCache, *, per_type: int | None, rows: Iterable[int] | None) -> list[int]:
    """Return the rows to validate on, one type after the other: all, or some of each, spread evenly."""
    allowed = np.arange(len(cache)) if rows is None else np.asarray(sorted(rows), dtype=np.int64)
    chosen: list[int] = []
    for of_type in cache.positions().values():
        mine = of_type[np.isin(of_type, allowed)]
        count = len(mine) if per_type is None else min(per_type, len(mine))
        chosen += [int(mine[place * len(mine) // count]) for place in range(count)]
    return chosen


def _grouped(cache: DecodedCache, rows: Sequence[int], *, size: int | None, batch_size: int) -> Iterator[list[int]]:
    def shape(row: int) -> tuple[Any, ...]:
        return (cache.rows[row]["degradation"], cache.shape(row) if size is None else size)

    for _, same in groupby(rows, key=shape):
        group = list(same)
        for first in range(0, len(group), batch_size):
            yield group[first : first + batch_size]
