"""Restoring images of any size, at once or by sampling: memory, tiles, precision and noise are settled here alone."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor

from models.diffusion.noise import pixel_keys
from models.errors import UserError
from models.inference.cpu import release_buffers
from models.inference.memory import bytes_per_pixel, in_use
from models.inference.memory import parse_memory as parse_memory
from models.inference.restorer import Restorer
from models.inference.tiles import Fit, apply_in_tiles, best_tile, smallest
from models.networks.find import is_foreign

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
OVERLAP = 32
# Large enough that the program's own growth does not hide what the network takes.
PROBE = 192
# Per pixel of the whole image: the padded input, the result and a copy of it (float32), and the image file's pixels.
WHOLE_IMAGE = 4 * (3 + 3 + 3) + 6
# A sampler further holds the state beside the image, the noise, and what its step computes from them.
WHOLE_STATE = 4 * 3 * 10
# Measured once per restorer, batch size, device and precision: a folder of images pays for one probe. With it, the
# least memory that the process was seen to hold between images: what allocators keep for reuse is no cost.
_COSTS: weakref.WeakKeyDictionary[Restorer, dict[tuple[int, torch.device, str], float]] = weakref.WeakKeyDictionary()
_IDLE: weakref.WeakKeyDictionary[Restorer, int] = weakref.WeakKeyDictionary()


@torch.inference_mode()
def restore(
    restorer: Restorer,
    image: Tensor,
    *,
    keys: Sequence[str] | None = None,
    max_memory: int | None = None,
    tile: int | tuple[int, int] | None = None,
    overlap: int = OVERLAP,
    precision: Precision = "fp32",
    progress: Callable[[float], None] = lambda done: None,
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
        tile: Side, or height and width, of the tiles, rounded down to what the network accepts; overrides `max_memory`.
        overlap: Pixels that neighbouring tiles share where they are blended, see `models.inference.tiles.Fit`.
        precision: What the network computes in: "fp32", or one of those that its card names.
        progress: Called with the number of network calls done, one for a network that is not sampled; of a call whose
            image is cut into tiles, after every tile with the part that is done.

    Returns:
        The restored image with the same shape, on the same device, float32, not clamped.

    Raises:
        UserError: The shape is wrong, the keys are not one an image, the network cannot be tiled or not computed in
            this precision, the tile is too small, or the memory does not suffice for the smallest tile.
    """
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or 0 in image.shape:
        raise UserError(f"expected an image with shape (3, H, W) or (B, 3, H, W), got {tuple(image.shape)}")
    batch = (image if image.ndim == 4 else image[None]).to(restorer.device, torch.float32)
    if keys is not None and len(keys) != len(batch):
        raise UserError(f"every image needs a key of its own: got {len(keys)} keys for {len(batch)} images")
    with _autocast(restorer, precision):
        embeddings = restorer.embed(batch, exact=True)
        sides = (tile, tile) if isinstance(tile, int) else tile
        if sides is None and max_memory is not None:
            sides = tile_for(restorer, batch, max_memory=max_memory, overlap=overlap, precision=precision)
        if sides is not None and restorer.card.tiles == "no" and min(sides) < max(batch.shape[2:]):
            raise UserError(f"network {restorer.card.name!r} needs to see the whole image: leave --tile away")
        fit = fit_for(restorer, tile=sides, overlap=overlap)
        if restorer.card.sampler:
            whole = 0

            def predict(state: Tensor, degraded: Tensor, time: Tensor) -> Tensor:
                both = torch.cat([state, degraded], dim=1)
                return apply_in_tiles(
                    lambda part: restorer.predict(part[:, :3], part[:, 3:], time, embeddings=embeddings),
                    both,
                    fit,
                    progress=lambda share: progress(whole + share),
                )

            def called(done: int) -> None:
                nonlocal whole
                whole = done
                progress(done)

            restored = restorer.sample(predict, batch, keys=keys or pixel_keys(batch), progress=called)
        else:
            restored = apply_in_tiles(
                lambda part: restorer.apply_network(part, embeddings), batch, fit, progress=progress
            )
            progress(1)
    restored = restored.to(image.device)
    return restored.clone() if image.ndim == 4 else restored[0].clone()


def tile_difference(
    restorer: Restorer,
    image: Tensor,
    *,
    max_memory: int | None = None,
    tile: int | None = None,
    precision: Precision = "fp32",
) -> tuple[float, float] | None:
    """Say by how much tiles change an image, which must fit into memory as a whole.

    Arguments:
        restorer: The network.
        image: With shape `(3, H, W)`, in [0, 1].
        max_memory: See `restore`.
        tile: See `restore`.
        precision: See `restore`.

    Returns:
        The largest and the mean absolute difference in grey levels (of 255); None when the image needs no tiles.
    """
    sides = None if tile is None else (tile, tile)
    if sides is None and max_memory is not None:
        sides = tile_for(restorer, image[None].to(restorer.device), max_memory=max_memory, precision=precision)
    if sides is None or (sides[0] >= image.shape[1] and sides[1] >= image.shape[2]):
        return None
    whole = restore(restorer, image, precision=precision)
    difference = 255 * (restore(restorer, image, tile=sides, precision=precision) - whole).abs_()
    return float(difference.max()), float(difference.mean())


def fit_for(restorer: Restorer, *, tile: tuple[int, int] | None = None, overlap: int = OVERLAP) -> Fit:
    """Return how images are padded and cut for a network: exactly where its card states how far it sees."""
    card = restorer.card
    reach = card.reach if card.tiles == "exact" and not card.sampler else None
    return Fit(padding=restorer.padding, tile=tile, overlap=overlap, reach=reach)


@torch.inference_mode()
def tile_for(
    restorer: Restorer, batch: Tensor, *, max_memory: int, overlap: int = OVERLAP, precision: Precision = "fp32"
) -> tuple[int, int] | None:
    """Return height and width of the tiles that fit into memory, or None when the whole images do.

    Arguments:
        restorer: The network.
        batch: Images with shape `(B, 3, H, W)`.
        max_memory: Bytes that the process may use in all.
        overlap: Pixels that blended tiles share.
        precision: What the network computes in.

    Raises:
        UserError: The memory does not suffice for the smallest tile, or for the whole image where there are no tiles.
    """
    card, fit = restorer.card, fit_for(restorer, overlap=overlap)
    multiple, device = restorer.multiple_of, batch.device
    height, width = (size + restorer.padding.missing(size) for size in batch.shape[2:])
    known = _COSTS.setdefault(restorer, {})
    place = (len(batch), device, precision)
    if place not in known:
        side = math.ceil(max(PROBE, card.minimum_size) / multiple) * multiple
        with _autocast(restorer, precision):
            known[place] = bytes_per_pixel(
                _call(restorer, len(batch)),
                side=side,
                batch=len(batch),
                device=device,
                in_torch=_weights(restorer) > 0 and not is_foreign(card.name),
            )
        release_buffers()
        # After the first calls: what they have loaded and set up stays.
        _IDLE[restorer] = in_use(device, _weights(restorer))
    _IDLE[restorer] = idle = min(_IDLE[restorer], in_use(device, _weights(restorer)))
    # A network that hands its input on costs nothing that can be measured.
    cost = max(known[place], 1.0)
    whole = WHOLE_IMAGE + (WHOLE_STATE if card.sampler else 0)
    free = max_memory - idle - whole * len(batch) * height * width
    if cost * height * width <= free:
        return None
    least = min(smallest(fit), height) * min(smallest(fit), width) if card.tiles != "no" else height * width
    tile = best_tile((height, width), int(max(0, free) / cost), fit) if card.tiles != "no" else None
    if tile is None:
        needed = math.ceil((max_memory - free + cost * least) / 2**20)
        why = f", as {card.name!r} needs to see the whole image" if card.tiles == "no" else ""
        raise UserError(
            f"{max_memory / 2**20:.0f} MiB of memory do not suffice for this image: about {needed} MiB are needed{why}"
        )
    return tile


def _call(restorer: Restorer, batch: int) -> Callable[[Tensor], Tensor]:
    """Return one call of the network as a function of images; what an embedding says does not change its memory."""
    length = restorer.daclip.embed_dim if restorer.daclip is not None else 0
    blank = torch.zeros(batch, length, device=restorer.device)
    embeddings = (blank, blank) if length else None
    if not restorer.card.sampler:
        return lambda probe: restorer.apply_network(probe, embeddings)
    return lambda probe: restorer.predict(probe, probe, probe.new_ones(len(probe)), embeddings=embeddings)


def _weights(restorer: Restorer) -> int:
    return sum(p.numel() * p.element_size() for p in restorer.parameters())


def _autocast(restorer: Restorer, precision: Precision) -> torch.autocast | nullcontext[None]:
    """Let the network compute in a precision.

    Raises:
        UserError: It is none that the network's card names.
    """
    if precision == "fp32":
        return nullcontext()
    if precision not in restorer.card.half:
        works = ", ".join(("fp32", *restorer.card.half))
        raise UserError(
            f"network {restorer.card.name!r} does not compute in {precision}: it was seen to work in {works}"
        )
    return torch.autocast(restorer.device.type, dtype=DTYPES[precision])
