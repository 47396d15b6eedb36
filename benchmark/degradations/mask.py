"""Missing pixels, painted white."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.ranges import drawn


def mask(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    holes: float | None = None,
    thickness: float | None = None,
) -> np.ndarray:
    """Cover the image with thin brush strokes; covered pixels become white, the others stay as they are.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness.
        holes: Share of the pixels to cover at least, 0.001 to 0.95; drawn from 0.1 to 0.45 when not given.
        thickness: Width of a stroke as a share of the shorter side, 0.005 to 0.2; else drawn from 0.03 to 0.05.

    Returns:
        The image with white holes, same shape and range.

    Raises:
        UserError: A parameter is out of its range.

    References:
        RePaint: Inpainting using Denoising Diffusion Probabilistic Models (Lugmayr et al., 2022)
        https://arxiv.org/abs/2201.09865
    """
    height, width = image.shape[:2]
    holes = drawn(generator, "holes", holes, (0.1, 0.45), (0.001, 0.95))
    thickness = drawn(generator, "thickness", thickness, (0.03, 0.05), (0.005, 0.2))
    short = min(height, width)
    covered = np.zeros((height, width), np.uint8)
    while covered.mean() < holes:
        point = generator.uniform(0, 1, 2) * (width, height)
        heading = generator.uniform(0, 2 * np.pi)
        pen = max(round(short * thickness * generator.uniform(0.8, 1.2)), 1)
        for _ in range(int(generator.integers(1, 6))):
            step = short * generator.uniform(0.05, 0.2)
            towards = point + step * np.asarray([np.cos(heading), np.sin(heading)])
            begin, end = (tuple(int(v) for v in np.round(p)) for p in (point, towards))
            cv2.line(covered, begin, end, 1, pen)
            point, heading = towards, heading + generator.uniform(-1.2, 1.2)
            if covered.mean() >= holes:
                break
    return np.where(covered[..., None] == 1, np.float32(1.0), image)
