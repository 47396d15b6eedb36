"""Aligned random patches of degraded and clean images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmark.training.batches.ahead import made_ahead
from benchmark.training.batches.order import (
    FixedSizes,
    Order,
    Sampling,
    Sizes,
    own_slots,
    pairs_before,
    sizes_at,
    without,
)
from benchmark.training.batches.patches import Patch, cut, draw_patch, write_float
from benchmark.training.cache.read import DecodedCache

if TYPE_CHECKING:
    from torch import Tensor


def restoration_batches(
    cache: DecodedCache,
    *,
    batch_size: int,
    patch_size: int,
    seed: int,
    start: int,
    phases: Sequence[Sizes] = (),
    sampling: Sampling = "uniform",
    exclude: Iterable[int] = (),
    rank: int = 0,
    world_size: int = 1,
    workers: int = 0,
    second_crop: bool = False,
    channels_last: bool = False,
) -> Iterator[dict[str, Tensor]]:
    """Return endless batches of aligned random patches.

    As in the authors' training: types are sampled uniformly whatever their number of pairs, unless told otherwise; one
    crop at the same place in both images; then horizontal flip, vertical flip and transposition, each with probability
    one half.

    Arguments:
        cache: The decoded pairs.
        batch_size: Pairs a batch, over all processes.
        patch_size: Side of the crop; smaller images are padded by reflection.
        seed: Seed of order and augmentation.
        start: Step of the first batch.
        phases: Sizes by step, the first from step 0 on, instead of the two above.
        sampling: How types take turns, see `benchmark.training.batches.order.Order`.
        exclude: Rows that are held out.
        rank: Number of this process; it gets a contiguous part of each batch.
        world_size: Number of processes.
        workers: Threads that prepare batches ahead; what is in them does not depend on it.
        second_crop: Whether a second patch of each degraded image comes too, as AirNet's contrast needs.
        channels_last: Whether images lie in memory with the channels last.

    Returns:
        An iterator over `degraded` and `clean`, float32 with shape `(B, 3, P, P)`, in [0, 1]; `index`, int64 with shape
        `(B,)`, the rows; `seed`, a whole number for the draws of a task that needs further ones, the same for all
        processes; on demand `degraded_2`, as `degraded`.

    Raises:
        UserError: There are more processes than pairs in a batch, the weights do not fit the types, or a type has no
            pair left.
    """
    import torch

    phases = list(phases) or [FixedSizes(patch_size, batch_size)]
    order = Order(without(cache.positions(), exclude), sampling=sampling, seed=seed)
    slots = {n: own_slots(n, rank=rank, world_size=world_size) for n in {phase.batch_size for phase in phases}}

    def make(step: int) -> dict[str, Tensor]:
        sizes = sizes_at(phases, step)
        first, generator = pairs_before(phases, step), np.random.default_rng([seed, step])
        planned: list[tuple[int, Patch]] = []
        for number in range(first, first + sizes.batch_size):
            row = order.row(number, generator)
            planned.append((row, draw_patch(cache.shape(row), sizes.patch_size, generator)))
        drawn = int(generator.integers(2**62))
        mine = planned[slots[sizes.batch_size]]
        images = {
            "degraded": [cut(cache.degraded(row), patch) for row, patch in mine],
            "clean": [cut(cache.clean(row), patch) for row, patch in mine],
        }
        if second_crop:
            further = np.random.default_rng([seed, step, 2])
            second = [draw_patch(cache.shape(row), sizes.patch_size, further) for row, _ in planned]
            rows = [row for row, _ in mine]
            own = second[slots[sizes.batch_size]]
            images["degraded_2"] = [cut(cache.degraded(row), patch) for row, patch in zip(rows, own, strict=True)]
        batch = {name: float_batch(patches, channels_last=channels_last) for name, patches in images.items()}
        return {**batch, "index": torch.tensor([row for row, _ in mine]), "seed": torch.tensor(drawn)}

    return made_ahead(make, start=start, workers=workers)


def float_batch(images: Sequence[np.ndarray], *, channels_last: bool = False) -> Tensor:
    """Return uint8 images of one size as float32 with shape `(B, 3, H, W)`, in [0, 1]."""
    import torch

    shape = (len(images), 3, *images[0].shape[:2])
    out = torch.empty(shape, memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    for pixels, place in zip(images, out.numpy(), strict=True):
        write_float(pixels, place)
    return out
