"""Restoring images of any size, at once or by sampling: memory, tiles and noise are settled here and nowhere else."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.errors import UserError
from models.memory import bytes_per_pixel, in_use
from models.memory import parse_memory as parse_memory
from models.restorer import Restorer
from models.sampling import pixel_keys
from models.tiles import Fit, apply_in_tiles

SMALLEST_TILE = 64
PROBE = 128
# Per pixel of the whole image: the padded input, the sum, its weight, and the result (float32).
WHOLE_IMAGE = 4 * (3 + 3 + 1 + 3)
# A sampler further holds the state beside the image, the noise, and what its step computes from them.
WHOLE_STATE = 4 * 3 * 10
# Measured once per restorer, batch size and device: a folder of images pays for one probe.
_COSTS: weakref.WeakKeyDictionary[Restorer, dict[tuple[int, torch.device], float]] = weakref.WeakKeyDictionary()


@torch.inference_mode()
def restore(
    restorer: Restorer,
    image: Tensor,
    *,
    keys: Sequence[str] | None = None,
    max_memory: int | None = None,
    tile: int | None = None,
    overlap: int = 32,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Restore an image or a batch of equally sized ones.

    The embeddings of DA-CLIP are computed once, on the whole image, and shared by all tiles and all steps. A sampled
    network keeps one state and draws one field of noise for the whole image; it is the network's calls that are tiled,
    and their results blended at every step. So the noise of an image depends on its key and the seed alone: neither on
    the tiles, nor on padding, nor on the other images of its batch.

    Arguments:
        restorer: The network, with its DA-CLIP and its sampler.
        image: An image with shape `(3, H, W)` or images with shape `(B, 3, H, W)`, in [0, 1].
        keys: For sampled networks, the name of each image from which its noise follows; None for a digest of its
            pixels.
        max_memory: Bytes that the process may use in all; images for which that is too little are cut into tiles.
        tile: Side of the tiles, rounded down to what the network accepts; overrides `max_memory`.
        overlap: Pixels that neighbouring tiles share, see `models.tiles.Fit`.
        progress: For sampled networks, called with the number of network calls done.

    Returns:
        The restored image with the same shape, on the same device, not clamped.

    Raises:
        UserError: The shape is wrong, the keys are not one an image, the tile is too small for its overlap, or the
            memory does not suffice for the smallest tile.
    """
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or 0 in image.shape:
        raise UserError(f"expected an image with shape (3, H, W) or (B, 3, H, W), got {tuple(image.shape)}")
    batch = (image if image.ndim == 4 else image[None]).to(restorer.device, torch.float32)
    if keys is not None and len(keys) != len(batch):
        raise UserError(f"every image needs a key of its own: got {len(keys)} keys for {len(batch)} images")
    embeddings = restorer.embed(batch, exact=True)
    if tile is None and max_memory is not None:
        tile = _tile_for(restorer, batch, embeddings, max_memory)
    card = restorer.card
    fit = Fit(padding=restorer.padding, tile=tile, overlap=overlap)
    if card.sampler:

        def predict(state: Tensor, degraded: Tensor, time: Tensor) -> Tensor:
            both = torch.cat([state, degraded], dim=1)
            return apply_in_tiles(
                lambda part: restorer.predict(part[:, :3], part[:, 3:], time, embeddings=embeddings), both, fit
            )

        restored = restorer.sample(predict, batch, keys=keys or pixel_keys(batch), progress=progress)
    else:
        restored = apply_in_tiles(lambda part: restorer.apply_network(part, embeddings), batch, fit)
    restored = restored.to(image.device)
    return restored.clone() if image.ndim == 4 else restored[0].clone()


def _tile_for(
    restorer: Restorer, batch: Tensor, embeddings: tuple[Tensor, Tensor] | None, max_memory: int
) -> int | None:
    """Return the side of the largest tile that fits into `max_memory`, or None when the whole image does."""
    multiple, least_size = restorer.multiple_of, restorer.card.minimum_size
    device = batch.device
    pixels = math.prod(size + restorer.padding.missing(size) for size in batch.shape[2:])
    side = math.ceil(max(PROBE, least_size) / multiple) * multiple

    def apply(probe: Tensor) -> Tensor:
        if restorer.card.sampler:
            return restorer.predict(probe, probe, probe.new_ones(len(probe)), embeddings=embeddings)
        return restorer.apply_network(probe, embeddings)

    known = _COSTS.setdefault(restorer, {})
    if (len(batch), device) not in known:
        known[len(batch), device] = bytes_per_pixel(apply, side=side, batch=len(batch), device=device)
    cost = known[len(batch), device]
    weights = sum(p.numel() * p.element_size() for p in restorer.parameters())
    whole = WHOLE_IMAGE + (WHOLE_STATE if restorer.card.sampler else 0)
    free = max_memory - in_use(device, weights) - whole * len(batch) * pixels
    if cost * pixels <= free:
        return None
    least = math.ceil(max(SMALLEST_TILE, least_size) / multiple) * multiple
    if cost * least**2 > free:
        needed = max_memory - free + cost * least**2
        raise UserError(
            f"{max_memory / 2**20:.0f} MiB of memory do not suffice for this image: "
            f"about {math.ceil(needed / 2**20)} MiB are needed"
        )
    return int(math.sqrt(free / cost)) // multiple * multiple
