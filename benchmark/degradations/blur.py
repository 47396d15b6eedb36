"""Motion blur: the scene averaged along the path of a shaken camera."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.specs.parameters import number

SAMPLES = 256  # positions of the camera during the exposure


def blur(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    length: float | None = None,
    angle: float | None = None,
    bend: float | None = None,
    gamma: float = 2.2,
) -> np.ndarray:
    """Average the image along a smooth camera path, as high-speed frames are averaged in GoPro.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        length: Length of the path in pixels, 1 to 200; drawn from 8 to 18. It is cut to the shorter side of the image.
        angle: Direction at the start of the path in degrees, -180 to 180; drawn from all.
        bend: How far the direction turns along the path in degrees, 0 (a straight line) to 360; drawn from 0 to 110.
        gamma: The averaging takes place on values to this power, 1 to 3: 2.2 is linear light, 1 averages stored values.

    Returns:
        The blurred image, same shape and type.

    Raises:
        UserError: A parameter is out of range.

    References:
        Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring (Nah, Kim and Lee, 2017)
        https://arxiv.org/abs/1612.02177
        Modeling the Performance of Image Restoration from Motion Blur (Boracchi and Foi, 2012)
        https://doi.org/10.1109/TIP.2012.2192126
    """
    length = number("length", length, generator, allowed=(1, 200), drawn=(8, 18))
    angle = number("angle", angle, generator, allowed=(-180, 180), drawn=(-180, 180))
    bend = number("bend", bend, generator, allowed=(0, 360), drawn=(0, 110))
    gamma = number("gamma", gamma, generator, allowed=(1, 3), drawn=(2.2, 2.2))
    kernel = camera_path(generator, length=min(length, *image.shape[:2]), angle=angle, bend=bend)
    light = np.power(image, np.float32(gamma))
    averaged = cv2.filter2D(light, -1, kernel[::-1, ::-1].copy(), borderType=cv2.BORDER_REFLECT_101)
    return np.power(np.clip(averaged, 0, 1), np.float32(1 / gamma))


def camera_path(generator: np.random.Generator, *, length: float, angle: float, bend: float) -> np.ndarray:
    """Return the point spread function of a camera path as an odd, square, float32 kernel that sums to 1.

    Arguments:
        generator: Source of randomness.
        length: Length of the path in pixels.
        angle: Direction at the start in degrees.
        bend: Total turn in degrees; how it is spread over the path is random.
    """
    # Direction and speed change smoothly, so the kernel is bent and unevenly bright, like that of a shaking hand.
    time = np.linspace(0, 1, SAMPLES)
    waves = generator.normal(size=3) / (1, 2, 3)
    turn = waves @ np.sin(np.pi * (np.arange(3)[:, None] + 0.5) * time)
    span = float(np.ptp(turn))
    heading = np.deg2rad(angle + bend * (turn - turn[0]) / max(span, 1e-6))
    speed = np.exp(0.35 * np.sin(2 * np.pi * (time * generator.uniform(0.5, 1.5) + generator.uniform())))
    step = length * speed / speed.sum()
    x = np.cumsum(step * np.cos(heading))
    y = np.cumsum(step * np.sin(heading))
    x -= (x.max() + x.min()) / 2
    y -= (y.max() + y.min()) / 2
    half = int(np.ceil(max(x.max(), y.max(), 0.5))) + 1
    size = 2 * half + 1
    kernel = np.zeros((size, size))
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = x - column, y - row
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (right if dx else 1 - right) * (down if dy else 1 - down)
            np.add.at(kernel, (row + half + dy, column + half + dx), weight)
    return (kernel / kernel.sum()).astype(np.float32)
