"""Whole degraded images with their two texts, for DA-CLIP."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmark.training.batches.ahead import made_ahead
from benchmark.training.batches.order import own_slots
from benchmark.training.cache.read import DecodedCache

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Box:
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def daclip_batches(
    cache: DecodedCache,
    captions: Sequence[str],
    *,
    batch_size: int,
    image_size: int,
    context_length: int,
    flips: bool,
    seed: int,
    start: int,
    clean: bool = False,
    exclude: Iterable[int] = (),
    rank: int = 0,
    world_size: int = 1,
    workers: int = 0,
) -> Iterator[dict[str, Tensor]]:
    """Return endless batches of whole degraded images with their two texts, in shuffled epochs.

    Each image is cropped at random to 90-100 % of its area with an aspect ratio of 3/4 to 4/3 and resized by Pillow's
    bicubic filter, as in the authors' training.

    Arguments:
        cache: The decoded pairs.
        captions: The caption of each pair, in the cache's order.
        batch_size: Images a batch, over all processes; when the set is smaller, its size.
        image_size: Side S that CLIP takes.
        context_length: Tokens of a text.
        flips: Whether images are also mirrored left to right at random, which the authors do not.
        seed: Seed of order and augmentation.
        start: Step of the first batch.
        clean: Whether the same crops of the clean images come too.
        exclude: Rows that are held out.
        rank: Number of this process; it gets a contiguous part of each batch.
        world_size: Number of processes.
        workers: Threads that prepare batches ahead; what is in them does not depend on it.

    Returns:
        An iterator over `image`, float32 with shape `(B, 3, S, S)`, normalised; `text`, int64 with shape
        `(B, 2 * context_length)`; `label`, int64 with shape `(B,)`, equal where the degradation texts are; `index`,
        int64 with shape `(B,)`, the rows; on demand `clean`, as `image`.

    Raises:
        UserError: There are more processes than images in a batch.
    """
    import torch

    text, label = texts_and_labels(cache, captions, context_length=context_length)
    rows = np.setdiff1d(np.arange(len(cache)), np.asarray(sorted(exclude), dtype=np.int64))
    batch_size = min(batch_size, len(rows))
    per_epoch = len(rows) // batch_size
    slots = own_slots(batch_size, rank=rank, world_size=world_size)

    @functools.lru_cache(maxsize=2)
    def shuffled(epoch: int) -> np.ndarray:
        return rows[np.random.default_rng([seed, epoch]).permutation(len(rows))]

    def make(step: int) -> dict[str, Tensor]:
        epoch, place = divmod(step, per_epoch)
        chosen = shuffled(epoch)[place * batch_size : (place + 1) * batch_size]
        generator = np.random.default_rng([seed, epoch, place])
        boxes = [draw_box(cache.shape(int(row)), generator) for row in chosen]
        mirrored = [flips and generator.random() < 0.5 for _ in chosen]
        mine = chosen[slots]
        images = {"image": cache.degraded, **({"clean": cache.clean} if clean else {})}
        batch = {
            name: normalised(
                [
                    resized(of(int(row)), box, image_size, mirror=mirror)
                    for row, box, mirror in zip(mine, boxes[slots], mirrored[slots], strict=True)
                ]
            )
            for name, of in images.items()
        }
        index = torch.from_numpy(mine)
        return {**batch, "text": text[index], "label": label[index], "index": index}

    return made_ahead(make, start=start, workers=workers)


def texts_and_labels(cache: DecodedCache, captions: Sequence[str], *, context_length: int) -> tuple[Tensor, Tensor]:
    """Return the tokens of every row's two texts, and a number for every row that is equal where the words are."""
    import torch

    from models.daclip.tokenise import tokenise_pairs

    words = [row["words"] for row in cache.rows]
    known = {word: number for number, word in enumerate(sorted(set(words)))}
    return tokenise_pairs(captions, words, context_length=context_length), torch.tensor([known[word] for word in words])


def draw_box(shape: tuple[int, int], generator: np.random.Generator) -> Box:
    """Draw a part with 90-100 % of an image's area and an aspect ratio of 3/4 to 4/3."""
    height, width = shape
    for _ in range(10):
        area = height * width * generator.uniform(0.9, 1.0)
        ratio = np.exp(generator.uniform(np.log(3 / 4), np.log(4 / 3)))
        h, w = round(np.sqrt(area / ratio)), round(np.sqrt(area * ratio))
        if 0 < h <= height and 0 < w <= width:
            return Box(int(generator.integers(height - h + 1)), int(generator.integers(width - w + 1)), h, w)
    # No crop of that area and shape fits, as in long images: take the largest with an allowed shape, centred.
    h, w = min(height, round(width * 4 / 3)), min(width, round(height * 4 / 3))
    return Box((height - h) // 2, (width - w) // 2, h, w)


def resized(image: np.ndarray, box: Box, size: int, *, mirror: bool = False) -> np.ndarray:
    """Return a part of an image, resized to `size` x `size` by Pillow's bicubic filter."""
    part = Image.fromarray(image[box.top : box.top + box.height, box.left : box.left + box.width])
    pixels = np.asarray(part.resize((size, size), Image.Resampling.BICUBIC))
    return pixels[:, ::-1] if mirror else pixels


def normalised(images: Sequence[np.ndarray]) -> Tensor:
    """Return uint8 images of one size as CLIP takes them, with shape `(B, 3, S, S)`."""
    import torch

    from models.daclip.preprocess import normalise

    pixels = torch.from_numpy(np.stack(images))
    return normalise(pixels.permute(0, 3, 1, 2).float().div_(255)).contiguous()
