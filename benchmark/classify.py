"""How well the degradations are recognised, by DA-CLIP and by the CLIP inside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from benchmark.dataset import Dataset
from models.vocabulary import DEGRADATIONS, in_order

if TYPE_CHECKING:
    from models.daclip.controller import DaClip

BATCH = 32


def answers_for(dataset: Dataset) -> tuple[str, ...]:
    """Return the words among which is chosen: the ten types, and those that the test set has beyond them."""
    return tuple(in_order({*DEGRADATIONS, *dataset.degradations("test")}))


def confusion_matrix(
    daclip: DaClip,
    dataset: Dataset,
    *,
    plain: bool,
    device: str = "cpu",
    progress: Callable[[int], None] = lambda done: None,
) -> list[list[int]]:
    """Classify the degraded test images by the closest of the bare words.

    Arguments:
        daclip: The model.
        dataset: A dataset with a test split.
        plain: True for the frozen CLIP's image embedding, False for the degradation embedding.
        device: Where the model runs.
        progress: Called with the number of images done.

    Returns:
        Counts with shape `(K, K)`: row = true type, column = answer, in the order of `answers_for`.
    """
    import torch

    from models.daclip.classify import classify, embed_words
    from models.daclip.preprocess import preprocess

    daclip = daclip.to(device).eval()
    types = answers_for(dataset)
    words = embed_words(daclip, types)
    counts = np.zeros((len(types), len(types)), dtype=int)
    waiting: list[tuple[int, torch.Tensor]] = []
    done = 0

    def flush() -> None:
        images = torch.stack([image for _, image in waiting]).to(device)
        with torch.inference_mode():
            answers = classify(daclip, images, words, plain=plain).tolist()
        for (truth, _), answer in zip(waiting, answers, strict=True):
            counts[truth, answer] += 1
        waiting.clear()

    for pair in dataset.pairs("test"):
        waiting.append((types.index(pair.degradation), preprocess(pair.degraded, size=daclip.image_size)))
        done += 1
        if len(waiting) == BATCH:
            flush()
            progress(done)
    if waiting:
        flush()
        progress(done)
    return counts.tolist()
