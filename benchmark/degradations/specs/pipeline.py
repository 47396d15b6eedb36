"""Specs: a degradation pipeline written as a string, e.g. `rain(density=0.3) | jpeg(quality=30)`."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import get_args

import numpy as np

from benchmark.degradations import OPERATIONS, Rounding
from benchmark.degradations.specs.grammar import Spec, Step, parse
from models.errors import UserError, close_match
from models.images.pixels import to_float, to_uint8

__all__ = ["DEFAULT_SPECS", "Spec", "Step", "apply", "expand", "generator_for", "parse", "truncate", "words"]

DEFAULT_SPECS = {
    "motion-blurry": "blur()",
    "hazy": "haze()",
    "jpeg-compressed": "jpeg(quality=10)",
    "low-light": "lowlight()",
    "noisy": "noise(sigma=50)",
    "raindrop": "raindrop()",
    "rainy": "rain()",
    "shadowed": "shadow()",
    "snowy": "snow()",
    "uncompleted": "mask()",
}
"""The spec that makes each of the ten types."""


def apply(spec: str | Spec, pixels: np.ndarray, *, seed: int, key: str) -> np.ndarray:
    """Degrade an image; spec, seed, key and pixels determine every bit of the result.

    A macro such as `wild()` is expanded first, so `apply(spec, ...)` equals `apply(expand(spec, ...), ...)`. After each
    step the image is stored as 8 bit by that operation's own rule, so a pipeline equals its steps run one by one over
    files; operations that keep float (filters and resizing) pass it on, and the end of the pipeline rounds. A step may
    say otherwise: `noise(sigma=5, rounding="round")`.

    Arguments:
        spec: The pipeline, as text or parsed.
        pixels: Clean image with shape `(H, W, 3)`, uint8 RGB, at least 8x8.
        seed: Seed of the dataset or recipe.
        key: Key of the pair, unique in its dataset.

    Returns:
        The degraded image with shape `(H, W, 3)`, uint8 RGB.

    Raises:
        UserError: The spec is malformed, a parameter is out of range, the image is smaller than 8x8, or the pipeline
            ends with another size than it began with.
    """
    spec = _parsed(spec)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8 pixels, got {pixels.shape} {pixels.dtype}")
    if min(pixels.shape[:2]) < 8:
        raise UserError(f"the image is {pixels.shape[1]}x{pixels.shape[0]}, degradations need at least 8x8 pixels")
    spec = expand(spec, seed=seed, key=key)
    generator = generator_for(spec, seed=seed, key=key)
    size = pixels.shape[:2]
    for step in spec.steps:
        try:
            pixels = _take(step, pixels, generator, size)
        except UserError as error:
            raise UserError(f"in {step}: {error}") from None
    if pixels.shape[:2] != size:
        raise UserError(
            f"{spec} turns {size[1]}x{size[0]} pixels into {pixels.shape[1]}x{pixels.shape[0]}, but degraded and clean "
            "must have one size: add resize(restore=true)"
        )
    return pixels if pixels.dtype == np.uint8 else to_uint8(pixels)


def expand(spec: str | Spec, *, seed: int, key: str) -> Spec:
    """Replace every macro of a spec by the concrete steps that are drawn for one pair.

    Arguments:
        spec: The pipeline, as text or parsed.
        seed: Seed of the dataset or recipe.
        key: Key of the pair.

    Returns:
        A spec without macros; the spec itself when there is none in it. It is what a dataset stores.

    Raises:
        UserError: The spec is malformed or a parameter of a macro is out of range.
    """
    spec = _parsed(spec)
    if not any(OPERATIONS[step.name].macro for step in spec.steps):
        return spec
    generator = _generator("expand", str(spec), seed, key)
    steps: list[Step] = []
    for step in spec.steps:
        if not OPERATIONS[step.name].macro:
            steps.append(step)
            continue
        try:
            steps.extend(OPERATIONS.load(step.name)(generator, **dict(step.arguments)))
        except UserError as error:
            raise UserError(f"in {step}: {error}") from None
    return Spec(tuple(steps))


def words(spec: str | Spec) -> tuple[str, ...]:
    """Return what a pipeline does to an image, in the words that go into DA-CLIP's text.

    Steps that make one of the ten types say its word: `("rainy", "jpeg-compressed")`. In a spec with an operation of
    the follow-up paper, as every expansion of `wild()` is, steps use that paper's words: `("blur", "jpeg block")`. The
    official code lists words anew for every step (resizing says 'blur', a sinc filter and a deconvolution say 'blur'
    and 'ringing artifact', the under-display camera and storage say nothing); this is that list without its repeats.

    Arguments:
        spec: The pipeline, as text or parsed, after `expand`.

    Returns:
        The words in the order of application, each once; none when the steps leave nothing to say.

    Raises:
        UserError: The spec is malformed.
        ValueError: The spec holds a macro, whose words are known only once it is expanded.
    """
    steps = _parsed(spec).steps
    cards = [OPERATIONS[step.name] for step in steps]
    if macros := [card.name for card in cards if card.macro]:
        raise ValueError(f"{macros[0]}() has no words before it is expanded")
    wild = any(card.degradation is None for card in cards)
    said: dict[str, None] = {}
    for card in cards:
        own = (card.degradation,) if card.degradation is not None else ()
        said.update(dict.fromkeys(card.words if wild and card.words else own))
    return tuple(said)


def generator_for(spec: Spec, *, seed: int, key: str) -> np.random.Generator:
    """Return the generator that belongs to one pair: seeded by the sha256 of the canonical spec, seed and key."""
    return _generator(str(spec), seed, key)


def truncate(image: np.ndarray) -> np.ndarray:
    """Turn a float32 image in [0, 1] into uint8 by cutting the fraction off, as the paper's noisy set was stored."""
    levels = np.clip(image, 0, 1).astype(np.float32, copy=False)
    levels *= np.float32(255)
    return levels.astype(np.uint8)


def _take(step: Step, pixels: np.ndarray, generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Run one step; `pixels` and the result are uint8, or float32 between steps that keep float."""
    card = OPERATIONS[step.name]
    arguments = dict(step.arguments)
    rounding = arguments.pop("rounding", card.rounding)
    if rounding not in get_args(Rounding):
        hint = close_match(rounding, get_args(Rounding)) if isinstance(rounding, str) else ""
        raise UserError(f"rounding must be one of {', '.join(get_args(Rounding))}, not {rounding!r}{hint}")
    image = to_float(pixels) if pixels.dtype == np.uint8 else pixels if card.unbounded else np.clip(pixels, 0, 1)
    given = (size,) if card.takes_size else ()
    image = OPERATIONS.load(step.name)(image, generator, *given, **arguments)
    if rounding == "keep":
        return image
    return truncate(image) if rounding == "truncate" else to_uint8(image)


def _generator(*identity: str | int) -> np.random.Generator:
    digest = hashlib.sha256(json.dumps(identity).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def _parsed(spec: str | Spec) -> Spec:
    return _parse_cached(spec) if isinstance(spec, str) else spec


@functools.lru_cache(maxsize=256)
def _parse_cached(text: str) -> Spec:
    return parse(text)
