"""One scored image as a row of a file, with a digest of all that the row says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.metrics import METRICS
from models.files import sha256_bytes, sha256_json

FEATURE_BYTES = 2048 * 4
"""What set metrics compare of one image: as many float32 as `benchmark.metrics.inception.FEATURES`."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What is kept of one image once its pixels are forgotten.

    Arguments:
        key: Key of its pair.
        degradation: Its type.
        scores: Per-image metrics by the token of a protocol, see `benchmark.evaluation.scoring.threads.tokens`.
        features: What set metrics compare, with shape `(D,)`; None when none is computed.
        clean_features: The same of the clean image.
        seconds: What restoring took, or None.
        peak: The most bytes that the process had held by then.
    """

    key: str
    degradation: str
    scores: Mapping[str, Mapping[str, float]]
    features: np.ndarray | None = None
    clean_features: np.ndarray | None = None
    seconds: float | None = None
    peak: int | None = None


def to_row(image: Scored, identity: str) -> tuple[Any, ...]:
    """Return the columns of an image; the last is the digest of the others and of the evaluation's identity."""
    blobs = [None if f is None else f.astype(np.float32).tobytes() for f in (image.features, image.clean_features)]
    # JSON's digits bring every float back exactly, infinity included.
    scores = json.dumps({token: dict(values) for token, values in image.scores.items()})
    seconds = None if image.seconds is None else float(image.seconds)
    row = (image.key, image.degradation, scores, *blobs, seconds, image.peak)
    return (*row, _digest(row, identity))


def from_row(row: Sequence[Any], identity: str) -> Scored | None:
    """Return the image that a row holds, or None for one that was not written so for this evaluation."""
    *values, digest = row
    key, word, text, *blobs, seconds, peak = values
    whole = isinstance(key, str) and isinstance(word, str) and isinstance(text, str)
    if (
        not whole
        or not all(blob is None or _is_features(blob) for blob in blobs)
        or digest != _digest(values, identity)
    ):
        return None
    try:
        scores = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not _are_scores(scores) or not (seconds is None or _is_number(seconds)) or not isinstance(peak, int | None):
        return None
    features, clean_features = (None if blob is None else np.frombuffer(blob, np.float32) for blob in blobs)
    return Scored(
        key=key,
        degradation=word,
        scores=scores,
        features=features,
        clean_features=clean_features,
        seconds=seconds,
        peak=peak,
    )


def _digest(row: Sequence[Any], identity: str) -> str:
    return sha256_json([identity, *[sha256_bytes(part) if isinstance(part, bytes) else part for part in row]])


def _is_features(blob: Any) -> bool:
    whole = isinstance(blob, bytes) and len(blob) == FEATURE_BYTES
    return whole and bool(np.isfinite(np.frombuffer(blob, np.float32)).all())


def _is_number(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _are_scores(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(scores, dict)
        and all(
            name in METRICS and isinstance(score, float) and not math.isnan(score) and score != -math.inf
            for name, score in scores.items()
        )
        for scores in value.values()
    )
