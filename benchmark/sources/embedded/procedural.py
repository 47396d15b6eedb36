"""Procedural pictures: colour images made by rule, for variety where photos are few."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from benchmark.degradations.fractal import fractal_noise
from models.images.pixels import to_uint8

SIDE = 384  # pixels; nine tiles of 128


@dataclass(frozen=True)
class Procedural:
    """A procedural picture, used for training only.

    Arguments:
        name: Short name, used in keys.
        caption: What it shows.
        seed: Seed of its generator.
        draw: The function that draws it from a generator.
        weight: Tiles taken from it in a round over all pictures.
        split: Always `"train"`.
    """

    name: str
    caption: str
    seed: int
    draw: Callable[[np.random.Generator], np.ndarray]
    weight: int = 1
    split: str = "train"

    @property
    def scene(self) -> str:
        return self.name

    def pixels(self) -> np.ndarray:
        """Return the picture with shape `(SIDE, SIDE, 3)`, uint8 RGB, read-only; drawn once per process."""
        return _drawn(self)


@functools.lru_cache(maxsize=8)
def _drawn(picture: Procedural) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(picture.seed))
    pixels = to_uint8(picture.draw(generator))
    pixels.setflags(write=False)
    return pixels


def dead_leaves(generator: np.random.Generator) -> np.ndarray:
    """Cover a square with opaque discs whose radii follow a power law, as objects in photos do.

    Arguments:
        generator: Source of randomness.

    Returns:
        The picture with shape `(SIDE, SIDE, 3)`, float32 RGB in [0, 1].

    References:
        Occlusion Models for Natural Images: A Statistical Study of a Scale-Invariant Dead Leaves Model
        (Lee, Mumford and Huang, 2001)
        https://doi.org/10.1023/A:1011109015675
    """
    count = 1500
    smallest, largest = 4.0, 90.0
    # Radii with density r^-3 between the two bounds, by inversion of their distribution.
    share = generator.uniform(size=count)
    radii = (smallest**-2 - share * (smallest**-2 - largest**-2)) ** -0.5
    centres = generator.uniform(-0.1 * SIDE, 1.1 * SIDE, size=(count, 2))
    colours = np.clip(generator.uniform(0.05, 0.95, size=(count, 1)) + generator.normal(0, 0.18, size=(count, 3)), 0, 1)
    canvas = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    for (x, y), radius, colour in zip(centres, radii, colours, strict=True):
        cv2.circle(canvas, (round(x), round(y)), round(radius), colour.tolist(), cv2.FILLED, cv2.LINE_AA)
    grain = np.stack([fractal_noise(SIDE, SIDE, generator, cells=30, octaves=4, persistence=0.7)] * 3, axis=2)
    return np.clip(canvas * (0.8 + 0.4 * grain), 0, 1)


def clouds(generator: np.random.Generator) -> np.ndarray:
    """Draw fractal clouds of three colours that fade into each other.

    Arguments:
        generator: Source of randomness.

    Returns:
        The picture with shape `(SIDE, SIDE, 3)`, float32 RGB in [0, 1].
    """
    height = fractal_noise(SIDE, SIDE, generator, cells=4, octaves=7, persistence=0.8)[..., None]
    hue = fractal_noise(SIDE, SIDE, generator, cells=3, octaves=6, persistence=0.7)[..., None]
    sky, cloud, glow = np.array(((0.15, 0.35, 0.7), (0.95, 0.93, 0.9), (0.85, 0.45, 0.2)), np.float32)
    return np.clip(sky + (cloud - sky) * height + (glow - cloud) * np.clip(2 * hue - 1, 0, 1) * height, 0, 1)


def chequers(generator: np.random.Generator) -> np.ndarray:
    """Draw a chequered cloth under a colour gradient, seen in perspective.

    Arguments:
        generator: Source of randomness.

    Returns:
        The picture with shape `(SIDE, SIDE, 3)`, float32 RGB in [0, 1].
    """
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    depth = 0.35 + 0.65 * y
    across, along = (x - 0.5) / depth, 1 / depth
    wave = 0.08 * fractal_noise(SIDE, SIDE, generator, cells=3, octaves=2)
    # A steep ramp instead of a sign keeps the borders of the squares free of stair steps.
    sine = np.sin(2 * np.pi * 5 * (across + wave)) * np.sin(2 * np.pi * 5 * (along + wave))
    squares = np.clip(0.5 + 6 * sine, 0, 1)[..., None]
    first = np.stack([0.75 - 0.4 * y, 0.15 + 0.3 * x, 0.2 + 0.5 * y], axis=2)
    second = np.stack([0.95 - 0.1 * x, 0.9 - 0.2 * y, 0.6 + 0.3 * x], axis=2)
    weave = fractal_noise(SIDE, SIDE, generator, cells=60, octaves=3)[..., None]
    return np.clip((first * (1 - squares) + second * squares) * (0.75 + 0.4 * weave), 0, 1)


PROCEDURAL = (
    Procedural(
        "leaves",
        "a dense pile of overlapping coloured discs of many sizes, like pebbles or dead leaves",
        1,
        dead_leaves,
    ),
    Procedural("clouds", "soft fractal clouds in white and orange before a blue sky", 2, clouds),
    Procedural("chequers", "a chequered cloth in red, violet and cream that recedes into the distance", 3, chequers),
)
"""All procedural pictures."""
