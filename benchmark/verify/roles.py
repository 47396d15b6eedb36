"""Which of two images is the degraded one, judged by what the type does to an image."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from scipy import fft

from benchmark.verify.structure import grey


def evidence(degraded: np.ndarray, clean: np.ndarray, degradation: str) -> float | None:
    """Say how clearly the degraded image is the degraded one.

    Arguments:
        degraded: Pixels with shape `(H, W, 3)`, uint8 RGB.
        clean: Pixels with the same shape.
        degradation: The type.

    Returns:
        Positive when the roles are right, at most -1 when they are clearly exchanged; None when the type or these
        images do not decide it.
    """
    judge = _JUDGES.get(degradation)
    return judge(degraded, clean) if judge is not None and min(clean.shape[:2]) >= 16 else None


def _noise(pixels: np.ndarray) -> float:
    """Return the noise level in grey levels, as the median of second differences sees it."""
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    differences = cv2.filter2D(grey(pixels).astype(np.float32), -1, mask)[1:-1, 1:-1]
    return float(np.median(np.abs(differences))) / 0.6745 / 6


def _noisy(degraded: np.ndarray, clean: np.ndarray) -> float:
    return float(np.log((_noise(degraded) + 0.5) / (_noise(clean) + 0.5))) / 0.5


def _jpeg(degraded: np.ndarray, clean: np.ndarray) -> float:
    zeros = (_empty_coefficients(degraded) - _empty_coefficients(clean)) / 0.05
    edges = float(np.log(_block_edges(degraded) / _block_edges(clean))) / 0.2
    return max(zeros, edges)


def _empty_coefficients(pixels: np.ndarray) -> float:
    """Return the share of the 8x8 blocks' AC coefficients that are below one grey level."""
    height, width = pixels.shape[0] // 8 * 8, pixels.shape[1] // 8 * 8
    blocks = grey(pixels)[:height, :width].astype(np.float32).reshape(height // 8, 8, width // 8, 8)
    coefficients = np.abs(np.asarray(fft.dctn(blocks, axes=(1, 3), norm="ortho")))
    small = coefficients < 1
    return float((small.sum() - small[:, 0, :, 0].sum()) / (small.size * 63 / 64))


def _block_edges(pixels: np.ndarray) -> float:
    """Return how much larger the steps across the borders of 8x8 blocks are than those inside."""
    picture = grey(pixels).astype(np.float32)
    steps = [np.abs(np.diff(picture, axis=1)).mean(axis=0), np.abs(np.diff(picture, axis=0)).mean(axis=1)]
    across = sum(float(s[7::8].mean()) for s in steps)
    inside = sum(float(np.delete(s, np.s_[7::8]).mean()) for s in steps)
    return (across + 0.1) / (inside + 0.1)


def _low_light(degraded: np.ndarray, clean: np.ndarray) -> float:
    return float(np.log((grey(clean).mean() + 2) / (grey(degraded).mean() + 2))) / 0.5


def _hazy(degraded: np.ndarray, clean: np.ndarray) -> float:
    # Airlight lifts the darkest channel of every neighbourhood and draws all colours towards one.
    def dark_channel(pixels: np.ndarray) -> float:
        return float(cv2.erode(pixels.min(axis=2), np.ones((7, 7), np.uint8)).mean())

    def colour(pixels: np.ndarray) -> float:
        return float(np.ptp(pixels, axis=2).mean())

    return max((dark_channel(degraded) - dark_channel(clean)) / 12, (colour(clean) - colour(degraded)) / 2)


def _detail(pixels: np.ndarray) -> float:
    """Return the mean slope of the luminance in grey levels a pixel."""
    smooth = cv2.GaussianBlur(grey(pixels).astype(np.float32), (0, 0), 0.8)
    return sum(float(np.abs(cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx)).mean()) for dx in (0, 1))


def _more_detail(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.log((_detail(first) + 0.2) / (_detail(second) + 0.2)))


def _motion_blurry(degraded: np.ndarray, clean: np.ndarray) -> float:
    return _more_detail(clean, degraded) / 0.1


def _difference(degraded: np.ndarray, clean: np.ndarray) -> np.ndarray:
    return grey(degraded).astype(np.float32) - grey(clean).astype(np.float32)


def _rainy(degraded: np.ndarray, clean: np.ndarray) -> float:
    # Streaks are thin and brighter than what they cover: they add detail, and the difference is skewed upwards.
    difference = _difference(degraded, clean)
    fine = difference - cv2.GaussianBlur(difference, (0, 0), 4)
    fine -= fine.mean()
    square = fine * fine
    skew = float((square * fine).mean() / (square.mean() ** 1.5 + 1e-6))
    return max(_more_detail(degraded, clean) / 0.2, skew / 0.1)


def _snowy(degraded: np.ndarray, clean: np.ndarray) -> float:
    difference = _difference(degraded, clean)
    difference -= np.median(difference)
    brighter, darker = (float(np.maximum(sign * difference - 8, 0).mean()) for sign in (1, -1))
    return max(float(np.log((brighter + 0.05) / (darker + 0.05))), _more_detail(degraded, clean) / 0.1)


def _shadowed(degraded: np.ndarray, clean: np.ndarray) -> float:
    # A shadow darkens a part much more than anything brightens the rest.
    d, c = (cv2.GaussianBlur(grey(p).astype(np.float32), (0, 0), 3) + 8 for p in (degraded, clean))
    low, high = np.quantile(np.log(d / c), (0.02, 0.98))
    return float(-low - high) / 0.25


def _uncompleted(degraded: np.ndarray, clean: np.ndarray) -> float | None:
    changed = (degraded != clean).any(axis=2)
    if not changed.any():
        return None
    white = [float((p[changed] >= 250).all(axis=1).mean()) for p in (degraded, clean)]
    return (white[0] - white[1]) / 0.5


def _raindrop(degraded: np.ndarray, clean: np.ndarray) -> float | None:
    """Compare the detail inside each place that differs with that of its surroundings, where the clean image goes on.

    On textured ground a drop has less detail than what is around it, on flat ground more. One pair alone hardly decides
    (the divisor is larger than what was seen on right pairs); many pairs together do.
    """
    difference = np.abs(cv2.GaussianBlur(_difference(degraded, clean), (0, 0), 2))
    covered = cv2.morphologyEx((difference > 10).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    near = cv2.dilate(covered, np.ones((5, 5), np.uint8))
    count, labels, facts, _ = cv2.connectedComponentsWithStats(covered)
    details = []
    for pixels in (degraded, clean):
        picture = grey(pixels).astype(np.float32)
        details.append(np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 1.5)))
    total = weights = 0.0
    for number in range(1, count):
        x, y, width, height, area = (int(value) for value in facts[number])
        if area < 40:
            continue
        window = (slice(max(0, y - 10), y + height + 10), slice(max(0, x - 10), x + width + 10))
        drop = (labels[window] == number).astype(np.uint8)
        around = (cv2.dilate(drop, np.ones((15, 15), np.uint8)) > 0) & (near[window] == 0)
        inside = cv2.erode(drop, np.ones((3, 3), np.uint8)) > 0
        if around.sum() < 20 or inside.sum() < 15:
            continue
        unlike = [abs(np.log((d[window][inside].mean() + 0.5) / (d[window][around].mean() + 0.5))) for d in details]
        weight = float(np.sqrt(area))
        total += weight * float(unlike[0] - unlike[1])
        weights += weight
    return total / weights / 0.6 if weights else None


_JUDGES: dict[str, Callable[[np.ndarray, np.ndarray], float | None]] = {
    "motion-blurry": _motion_blurry,
    "hazy": _hazy,
    "jpeg-compressed": _jpeg,
    "low-light": _low_light,
    "noisy": _noisy,
    "raindrop": _raindrop,
    "rainy": _rainy,
    "shadowed": _shadowed,
    "snowy": _snowy,
    "uncompleted": _uncompleted,
}
