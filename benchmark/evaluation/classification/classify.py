"""How well the degradations are recognised, by DA-CLIP and by the CLIP inside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.dataset.folder import Dataset
from benchmark.results.calibration import Calibration, calibrate, softmax
from models.vocabulary import DEGRADATIONS, in_order

if TYPE_CHECKING:
    from models.daclip.controller import DaClip

BATCH = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a classifier said about every test image.

    Arguments:
        types: The K words among which was chosen.
        keys: Of the N images.
        truth: Index of the true type of each, with shape `(N,)`.
        cosines: Of each image with each word, with shape `(N, K)`.
        temperature: By which the model was trained to divide its cosines.
    """

    types: tuple[str, ...]
    keys: tuple[str, ...]
    truth: np.ndarray
    cosines: np.ndarray
    temperature: float

    def confusion(self) -> list[list[int]]:
        """Return counts with shape `(K, K)`: row = true type, column = answer, in the order of `types`."""
        counts = np.zeros((len(self.types), len(self.types)), dtype=int)
        np.add.at(counts, (self.truth, self.cosines.argmax(axis=1)), 1)
        return counts.tolist()

    def calibration(self) -> Calibration:
        """Return how sure the classifier was against how often it was right."""
        return calibrate(self.cosines, self.truth, temperature=self.temperature)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row an image: key, degradation, the answer, its confidence and the probability of the truth."""
        chances = softmax(self.cosines, self.temperature)
        return [
            {
                "key": key,
                "degradation": self.types[truth],
                "answer": self.types[int(row.argmax())],
                "confidence": float(row.max()),
                "probability_of_truth": float(row[truth]),
            }
            for key, truth, row in zip(self.keys, self.truth.tolist(), chances, strict=True)
        ]


def answers_for(dataset: Dataset) -> tuple[str, ...]:
    """Return the words among which is chosen: the ten types, and those that the test set has beyond them."""
    return tuple(in_order({*DEGRADATIONS, *dataset.degradations("test")}))


def classify_images(
    daclip: DaClip,
    dataset: Dataset,
    *,
    plain: bool,
    device: str = "cpu",
    progress: Callable[[int], None] = lambda done: None,
) -> Answers:
    """Compare the degraded test images with the bare words.

    Arguments:
        daclip: The model.
        dataset: A dataset with a test split.
        plain: True for the frozen CLIP's image embedding, False for the degradation embedding.
        device: Where the model runs.
        progress: Called with the number of images done.
    """
    import torch

    from models.daclip.classify import cosines, embed_words
    from models.daclip.preprocess import preprocess

    daclip = daclip.to(device).eval()
    types = answers_for(dataset)
    words = embed_words(daclip, types)
    keys: list[str] = []
    truth: list[int] = []
    found: list[np.ndarray] = []
    waiting: list[torch.Tensor] = []

    def flush() -> None:
        with torch.inference_mode():
            found.append(cosines(daclip, torch.stack(waiting).to(device), words, plain=plain).double().cpu().numpy())
        waiting.clear()
        progress(len(keys))

    for pair in dataset.pairs("test"):
        keys.append(pair.key)
        truth.append(types.index(pair.degradation))
        waiting.append(preprocess(pair.degraded, size=daclip.image_size))
        if len(waiting) == BATCH:
            flush()
    if waiting:
        flush()
    scale = daclip.clip.logit_scale if plain else daclip.logit_scale
    return Answers(
        types=types,
        keys=tuple(keys),
        truth=np.asarray(truth),
        cosines=np.concatenate(found),
        temperature=float(torch.exp(-scale.detach().double())),
    )
