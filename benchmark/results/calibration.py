"""Whether a classifier knows how sure it may be: reliability, expected calibration error, and the best temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import UserError

BINS = 15
COLDEST, HOTTEST = 1e-4, 1e2
"""Between these temperatures the best one is looked for; CLIP's lies at 0.01."""


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Images whose answer had a confidence in one range.

    Arguments:
        low: Lower end, not included but by the first bin.
        high: Upper end, included.
        n: Images.
        confidence: Their mean confidence.
        accuracy: Share of right answers.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How confidence and accuracy go together, over all images (a type with more images counts more).

    Arguments:
        temperature: By which cosines are divided before the softmax: that of the model's own training.
        ece: Expected calibration error: mean distance of confidence and accuracy over the bins, weighted by images.
        nll: Mean negative log-likelihood of the true type, in nats.
        confidence: Mean confidence of the answers.
        accuracy: Share of right answers over all images.
        best_temperature: The temperature with the least `nll` on these very images.
        best_ece: The calibration error at that temperature.
        bins: The ranges of confidence that hold images, at the model's own temperature.
    """

    temperature: float
    ece: float
    nll: float
    confidence: float
    accuracy: float
    best_temperature: float
    best_ece: float
    bins: tuple[ReliabilityBin, ...]


def calibrate(cosines: np.ndarray, truth: Sequence[int] | np.ndarray, *, temperature: float) -> Calibration:
    """Compare how sure a classifier is with how often it is right.

    Arguments:
        cosines: Of N images with K words, with shape `(N, K)`.
        truth: Index of the right word of each image.
        temperature: By which cosines are divided before the softmax.

    Raises:
        UserError: There are no images, or a cosine is not finite.

    References:
        On Calibration of Modern Neural Networks (Guo et al., 2017), https://arxiv.org/abs/1706.04599
    """
    values, right = np.asarray(cosines, dtype=np.float64), np.asarray(truth, dtype=np.int64)
    if values.ndim != 2 or len(values) != len(right) or not len(values):
        raise UserError(f"calibration needs a row of cosines an image, got {values.shape} for {len(right)} images")
    if not np.isfinite(values).all():
        raise UserError("calibration needs finite cosines: the model gave NaN or infinity")
    bins = reliability(values, right, temperature=temperature)
    best = best_temperature(values, right)
    return Calibration(
        temperature=temperature,
        ece=expected_calibration_error(bins),
        nll=negative_log_likelihood(values, right, temperature=temperature),
        confidence=float(softmax(values, temperature).max(axis=1).mean()),
        accuracy=float((values.argmax(axis=1) == right).mean()),
        best_temperature=best,
        best_ece=expected_calibration_error(reliability(values, right, temperature=best)),
        bins=bins,
    )


def softmax(cosines: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities of the K words, with shape `(N, K)`."""
    scaled = (cosines - cosines.max(axis=1, keepdims=True)) / temperature
    weights = np.exp(scaled)
    return weights / weights.sum(axis=1, keepdims=True)


def negative_log_likelihood(cosines: np.ndarray, truth: np.ndarray, *, temperature: float) -> float:
    """Return the mean of -log p of the true word, in nats."""
    scaled = (cosines - cosines.max(axis=1, keepdims=True)) / temperature
    return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]).mean())


def reliability(
    cosines: np.ndarray, truth: np.ndarray, *, temperature: float, bins: int = BINS
) -> tuple[ReliabilityBin, ...]:
    """Sort images by confidence into ranges of one width and return those that are not empty."""
    confidence = softmax(cosines, temperature).max(axis=1)
    hit = cosines.argmax(axis=1) == truth
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return tuple(
        ReliabilityBin(
            low=i / bins,
            high=(i + 1) / bins,
            n=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(hit[inside].mean()),
        )
        for i in range(bins)
        if (inside := place == i).any()
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the mean distance between confidence and accuracy, weighted by the images of each bin."""
    total = sum(each.n for each in bins)
    return sum(each.n * abs(each.confidence - each.accuracy) for each in bins) / total


def best_temperature(cosines: np.ndarray, truth: np.ndarray) -> float:
    """Return the temperature with the least negative log-likelihood, to a thousandth of itself.

    With every answer right, colder is always better, and with answers worse than chance hotter is: then an end of the
    searched range comes back.
    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda exponent: negative_log_likelihood(cosines, truth, temperature=float(np.exp(exponent))),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))
