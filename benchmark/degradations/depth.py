"""A plausible depth map for a photo without depth: a ground plane, a rough scene, and edges taken from the photo."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.fractal import fractal_noise


def plausible_depth(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Guess a depth for every pixel: far at the horizon and above, near at the bottom, smooth inside objects.

    Three cues are mixed: a ground plane seen in perspective, a smooth random field for things that stand on it, and
    the observation that far things tend to be bright and pale. A guided filter then follows the edges of the photo.

    Arguments:
        image: Photo with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.

    Returns:
        Depth with shape `(H, W)`, float32, 0 (nearest) to 1 (farthest).

    References:
        A Fast Single Image Haze Removal Algorithm Using Color Attenuation Prior (Zhu, Mai and Shao, 2015)
        https://doi.org/10.1109/TIP.2015.2446191
        Guided Image Filtering (He, Sun and Tang, 2013)
        https://doi.org/10.1109/TPAMI.2012.213
    """
    height, width = image.shape[:2]
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height
    tilt = float(generator.uniform(-0.15, 0.15))
    columns = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    horizon = float(generator.uniform(0.05, 0.5))
    below = np.maximum(rows[:, None] + tilt * columns[None, :] - horizon, 0)
    nearness = float(generator.uniform(0.2, 0.5))
    plane = nearness / (nearness + below)
    scene = fractal_noise(height, width, generator, cells=2, octaves=3)
    brightest = image.max(axis=2)
    pale = np.clip(0.5 + brightest - 1.5 * (brightest - image.min(axis=2)), 0, 1.5) / 1.5
    rough = (0.6 * plane + 0.25 * scene + 0.25 * pale).astype(np.float32)
    luminance = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    depth = guided_filter(luminance, rough, radius=max(1, min(height, width) // 10), epsilon=2e-3)
    low, high = float(depth.min()), float(depth.max())
    return (depth - low) / max(high - low, 1e-6)


def guided_filter(guide: np.ndarray, source: np.ndarray, *, radius: int, epsilon: float) -> np.ndarray:
    """Smooth `source` while keeping the edges of `guide`.

    Arguments:
        guide: Guidance with shape `(H, W)`, float32 in [0, 1].
        source: Field to filter with shape `(H, W)`, float32.
        radius: Half the side of the window, in pixels.
        epsilon: Variance of the guide below which a window counts as flat.

    Returns:
        The filtered field with shape `(H, W)`, float32.
    """

    def mean(field: np.ndarray) -> np.ndarray:
        return cv2.blur(field, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    guide_mean, source_mean = mean(guide), mean(source)
    variance = mean(guide * guide) - guide_mean * guide_mean
    covariance = mean(guide * source) - guide_mean * source_mean
    slope = covariance / (variance + np.float32(epsilon))
    offset = source_mean - slope * guide_mean
    return mean(slope) * guide + mean(offset)
