"""Training batches from a dataset: a function of seed and step alone, so a resumed run sees what it would have seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmark.cache import DecodedCache

if TYPE_CHECKING:
    from torch import Tensor


def restoration_batches(
    cache: DecodedCache, *, batch_size: int, patch_size: int, seed: int, start: int
) -> Iterator[dict[str, Tensor]]:
    """Yield endless batches of aligned random patches, the degradation types taking turns.

    As in the authors' training: types are sampled uniformly whatever their number of pairs; one crop at the same place
    in both images; then horizontal flip, vertical flip and transposition, each with probability one half.

    Arguments:
        cache: The decoded pairs.
        batch_size: Pairs a batch.
        patch_size: Side of the crop; smaller images are padded by reflection.
        seed: Seed of order and augmentation.
        start: Step of the first batch.

    Yields:
        `degraded` and `clean`, float32 with shape `(B, 3, P, P)`, in [0, 1]; `seed`, a whole number for the draws of a
        task that needs further ones.
    """
    import torch

    positions = list(cache.positions().values())
    step = start
    while True:
        generator = np.random.default_rng([seed, step])
        pixels = np.empty((2, batch_size, patch_size, patch_size, 3), np.uint8)
        for slot in range(batch_size):
            of_type = positions[(step * batch_size + slot) % len(positions)]
            pair = cache.pair(int(of_type[generator.integers(len(of_type))]))
            pixels[:, slot] = _patch(pair, patch_size, generator)
        tensor = torch.from_numpy(pixels).permute(0, 1, 4, 2, 3).float().div_(255)
        drawn = torch.tensor(int(generator.integers(2**62)))
        yield {"degraded": tensor[0].contiguous(), "clean": tensor[1].contiguous(), "seed": drawn}
        step += 1


def _patch(pair: tuple[np.ndarray, np.ndarray], size: int, generator: np.random.Generator) -> np.ndarray:
    """Return the same augmented crop of both images, with shape `(2, size, size, 3)`."""
    both = np.stack(pair)
    short = [max(size - n, 0) for n in both.shape[1:3]]
    if any(short):
        mode = "reflect" if all(s < n for s, n in zip(short, both.shape[1:3], strict=True)) else "symmetric"
        both = np.pad(both, ((0, 0), (0, short[0]), (0, short[1]), (0, 0)), mode=mode)
    top, left = (int(generator.integers(n - size + 1)) for n in both.shape[1:3])
    crop = both[:, top : top + size, left : left + size]
    horizontal, vertical, transpose = generator.random(3) < 0.5
    if horizontal:
        crop = crop[:, :, ::-1]
    if vertical:
        crop = crop[:, ::-1]
    return crop.transpose(0, 2, 1, 3) if transpose else crop


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
) -> Iterator[dict[str, Tensor]]:
    """Yield endless batches of whole degraded images with their two texts, in shuffled epochs.

    Each image is cropped at random to 90-100 % of its area with an aspect ratio of 3/4 to 4/3 and resized by Pillow's
    bicubic filter, as in the authors' training.

    Arguments:
        cache: The decoded pairs.
        captions: The caption of each pair, in the cache's order.
        batch_size: Images a batch; when the set is smaller, its size.
        image_size: Side S that CLIP takes.
        context_length: Tokens of a text.
        flips: Whether images are also mirrored left to right at random, which the authors do not.
        seed: Seed of order and augmentation.
        start: Step of the first batch.
        clean: Whether the same crops of the clean images come too.

    Yields:
        `image`, float32 with shape `(B, 3, S, S)`, normalised; `text`, int64 with shape `(B, 2 * context_length)`;
        `label`, int64 with shape `(B,)`, equal where the degradation texts are; on demand `clean`, as `image`.
    """
    import torch

    from models.daclip.preprocess import normalise
    from models.daclip.tokenise import tokenise_pairs

    words = [row["words"] for row in cache.rows]
    text = tokenise_pairs(captions, words, context_length=context_length)
    known = {word: number for number, word in enumerate(sorted(set(words)))}
    label = torch.tensor([known[word] for word in words])
    batch_size = min(batch_size, len(cache))
    per_epoch = len(cache) // batch_size
    step = start
    while True:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(cache))
        chosen = order[place * batch_size : (place + 1) * batch_size]
        generator = np.random.default_rng([seed, epoch, place])
        wanted = (cache.pair(int(i))[: 1 + clean] for i in chosen)
        crops = [_resized_crops(images, image_size, generator) for images in wanted]
        if flips:
            crops = [crop[:, :, ::-1] if generator.random() < 0.5 else crop for crop in crops]
        pixels = np.stack(crops, axis=1)
        tensors = [normalise(torch.from_numpy(p).permute(0, 3, 1, 2).float().div_(255)).contiguous() for p in pixels]
        named = dict(zip(("image", "clean"), tensors, strict=False))
        yield {**named, "text": text[chosen], "label": label[chosen]}
        step += 1


def _resized_crops(images: Sequence[np.ndarray], size: int, generator: np.random.Generator) -> np.ndarray:
    """Return the same random crop of images of one size, resized, with shape `(N, size, size, 3)`."""
    height, width = images[0].shape[:2]
    for _ in range(10):
        area = height * width * generator.uniform(0.9, 1.0)
        ratio = np.exp(generator.uniform(np.log(3 / 4), np.log(4 / 3)))
        h, w = round(np.sqrt(area / ratio)), round(np.sqrt(area * ratio))
        if 0 < h <= height and 0 < w <= width:
            top, left = int(generator.integers(height - h + 1)), int(generator.integers(width - w + 1))
            break
    else:
        # No crop of that area and shape fits, as in long images: take the largest with an allowed shape, centred.
        h, w = min(height, round(width * 4 / 3)), min(width, round(height * 4 / 3))
        top, left = (height - h) // 2, (width - w) // 2
    crops = (Image.fromarray(pixels[top : top + h, left : left + w]) for pixels in images)
    return np.stack([np.asarray(crop.resize((size, size), Image.Resampling.BICUBIC)) for crop in crops])
