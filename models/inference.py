"""Restoring images of any size: padding, tiling and cropping live here and nowhere else."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from models.errors import UserError
from models.memory import bytes_per_pixel, in_use
from models.memory import parse_memory as parse_memory
from models.restorer import Restorer

SMALLEST_TILE = 64
PROBE = 128
# Per pixel of the whole image: the padded input, the sum, its weight, and the result (float32).
WHOLE_IMAGE = 4 * (3 + 3 + 1 + 3)
# Measured once per restorer, batch size and device: a folder of images pays for one probe.
_COSTS: weakref.WeakKeyDictionary[Restorer, dict[tuple[int, torch.device], float]] = weakref.WeakKeyDictionary()


@torch.inference_mode()
def restore(
    restorer: Restorer,
    image: Tensor,
    *,
    max_memory: int | None = None,
    tile: int | None = None,
    overlap: int = 32,
) -> Tensor:
    """Restore an image or a batch of equally sized ones.

    The embeddings of DA-CLIP are computed once, on the whole image, and shared by all tiles.

    Arguments:
        restorer: The network, with its DA-CLIP.
        image: An image with shape `(3, H, W)` or images with shape `(B, 3, H, W)`, in [0, 1].
        max_memory: Bytes that the process may use in all; images for which that is too little are cut into tiles.
        tile: Side of the tiles, rounded down to what the network accepts; overrides `max_memory`.
        overlap: Pixels that neighbouring tiles share. Over the middle half of them the tiles blend into each other; the
            outer quarters are thrown away, because there a tile does not see its surroundings.

    Returns:
        The restored image with the same shape, on the same device, not clamped.

    Raises:
        UserError: The shape is wrong, the tile is too small for its overlap, or the memory does not suffice for the
            smallest tile.
    """
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or 0 in image.shape:
        raise UserError(f"expected an image with shape (3, H, W) or (B, 3, H, W), got {tuple(image.shape)}")
    if overlap < 0:
        raise UserError(f"the overlap of tiles cannot be negative (got {overlap})")
    batch = (image if image.ndim == 4 else image[None]).to(restorer.device, torch.float32)
    height, width = batch.shape[2:]
    embeddings = restorer.embed(batch, exact=True)
    multiple = restorer.multiple_of
    padded = _pad(batch, multiple=multiple, least=restorer.card.minimum_size, mode=restorer.card.padding)
    if tile is None and max_memory is not None:
        tile = _tile_for(restorer, padded, embeddings, max_memory)
    if tile is None or tile >= max(padded.shape[2:]):
        restored = restorer.apply_network(padded, embeddings)
    else:
        restored = _tiled(restorer, padded, embeddings, tile=tile // multiple * multiple, overlap=overlap)
    restored = restored[..., :height, :width].to(image.device)
    return restored.clone() if image.ndim == 4 else restored[0].clone()


def _pad(batch: Tensor, *, multiple: int, least: int, mode: str) -> Tensor:
    """Extend a batch at the right and the bottom to a multiple of `multiple` and at least `least`."""
    for dim in (3, 2):
        size = batch.shape[dim]
        missing = math.ceil(max(size, least) / multiple) * multiple - size
        if missing == 0:
            continue
        pad = (0, missing, 0, 0) if dim == 3 else (0, 0, 0, missing)
        if mode == "zero":
            batch = F.pad(batch, pad)
        else:
            # A reflection needs more pixels than it adds; smaller images repeat their last row or column.
            batch = F.pad(batch, pad, mode="reflect" if missing < size else "replicate")
    return batch


def _tile_for(
    restorer: Restorer, padded: Tensor, embeddings: tuple[Tensor, Tensor] | None, max_memory: int
) -> int | None:
    """Return the side of the largest tile that fits into `max_memory`, or None when the whole image does."""
    multiple = restorer.multiple_of
    device, pixels = padded.device, padded.shape[2] * padded.shape[3]
    side = math.ceil(max(PROBE, restorer.card.minimum_size) / multiple) * multiple

    def apply(probe: Tensor) -> Tensor:
        return restorer.apply_network(probe, embeddings)

    known = _COSTS.setdefault(restorer, {})
    if (len(padded), device) not in known:
        known[len(padded), device] = bytes_per_pixel(apply, side=side, batch=len(padded), device=device)
    cost = known[len(padded), device]
    weights = sum(p.numel() * p.element_size() for p in restorer.parameters())
    free = max_memory - in_use(device, weights) - WHOLE_IMAGE * len(padded) * pixels
    if cost * pixels <= free:
        return None
    least = math.ceil(max(SMALLEST_TILE, restorer.card.minimum_size) / multiple) * multiple
    if cost * least**2 > free:
        needed = max_memory - free + cost * least**2
        raise UserError(
            f"{max_memory / 2**20:.0f} MiB of memory do not suffice for this image: "
            f"about {math.ceil(needed / 2**20)} MiB are needed"
        )
    return int(math.sqrt(free / cost)) // multiple * multiple


def _tiled(
    restorer: Restorer, padded: Tensor, embeddings: tuple[Tensor, Tensor] | None, *, tile: int, overlap: int
) -> Tensor:
    if tile <= overlap or tile < restorer.card.minimum_size:
        raise UserError(
            f"tiles of {tile} pixels are too small: they must be larger than their overlap ({overlap}), a multiple of "
            f"{restorer.multiple_of} and at least {restorer.card.minimum_size}"
        )
    total = torch.zeros_like(padded)
    weights = padded.new_zeros(padded.shape[2:])
    for top, bottom in _spans(padded.shape[2], tile, overlap, restorer.multiple_of):
        for left, right in _spans(padded.shape[3], tile, overlap, restorer.multiple_of):
            restored = restorer.apply_network(padded[..., top:bottom, left:right], embeddings)
            rows = _ramp(top, bottom, padded.shape[2], overlap, padded.device)
            columns = _ramp(left, right, padded.shape[3], overlap, padded.device)
            weight = rows[:, None] * columns
            total[..., top:bottom, left:right] += weight * restored
            weights[top:bottom, left:right] += weight
    return total / weights


def _spans(size: int, tile: int, overlap: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the tiles along one side; the last one ends with the image."""
    if size <= tile:
        yield 0, size
        return
    step = max(multiple, (tile - overlap) // multiple * multiple)
    for begin in range(0, size - tile, step):
        yield begin, begin + tile
    yield size - tile, size


def _ramp(begin: int, end: int, size: int, overlap: int, device: torch.device) -> Tensor:
    """Return the weights of a tile's pixels along one side: 1 inside, falling to 0 towards its neighbours."""
    position = torch.arange(end - begin, dtype=torch.float32, device=device) + 0.5
    ramp = torch.ones_like(position)
    if overlap:
        rise = (position - overlap / 4) / max(overlap / 2, 1)
        if begin > 0:
            ramp = ramp * rise.clamp(0, 1)
        if end < size:
            ramp = ramp * rise.flip(0).clamp(0, 1)
    return ramp
