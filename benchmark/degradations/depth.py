"""A plausible depth map from one image: no network, just where far things usually are."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.fields import fractal, luminance


def pseudo_depth(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a depth map for scattering: far at the top, uneven, and with edges where the image has them.

    A tilted plane plus fractal noise is aligned with the picture by a guided filter on its luminance; bright areas,
    which in outdoor photos are often sky, are moved back.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness.

    Returns:
        Depth with shape `(H, W)`, float32, in [0, 1]; 1 is farthest.

    References:
        Guided Image Filtering (He, Sun and Tang, 2010) https://doi.org/10.1007/978-3-642-15549-9_1
    """
    height, width = image.shape[:2]
    tilt = generator.uniform(-0.25, 0.25)
    rows = np.linspace(1.0, 0.0, height, dtype=np.float32)[:, None]
    columns = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    guide = luminance(image)
    rough = 0.55 * (rows + tilt * columns) + 0.3 * fractal(generator, height, width, octaves=3) + 0.15 * guide
    refined = guided_filter(guide, rough, radius=max(min(height, width) // 8, 2), eps=1e-3)
    low, high = float(refined.min()), float(refined.max())
    return np.clip((refined - low) / max(high - low, 1e-6), 0.0, 1.0)


def guided_filter(guide: np.ndarray, source: np.ndarray, *, radius: int, eps: float) -> np.ndarray:
    """Smooth `source` so that its edges follow those of `guide`; both with shape `(H, W)`, float32."""

    def mean(field: np.ndarray) -> np.ndarray:
        return cv2.blur(field, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    mean_g, mean_s = mean(guide), mean(source)
    slope = (mean(guide * source) - mean_g * mean_s) / (mean(guide * guide) - mean_g * mean_g + eps)
    return mean(slope) * guide + mean(mean_s - slope * mean_g)
