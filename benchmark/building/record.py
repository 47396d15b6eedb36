"""One sample to one row: read or synthesise the degraded image, check the pair, digest both images."""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.degradations.jpeg import compress
from benchmark.degradations.specs.pipeline import Spec, apply, expand, parse, words
from benchmark.sources.samples import ImageBytes, Sample, SourceUnreachable
from models.errors import UserError
from models.files import sha256_bytes
from models.images.pixels import BadImage, decode, encode_png

SYNTHESIS_PIXELS = 50_000_000
"""Largest image that is degraded here: an operation holds several float32 copies of it."""

INCOMPRESSIBLE = ("noise", "poisson")
"""A pipeline that ends with one of these is stored as PNG without compression."""

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}


@dataclass(frozen=True)
class StoredImage:
    """An image as it is stored and as it is seen."""

    data: bytes
    pixels: np.ndarray
    sha256: str
    suffix: str


def make_record(sample: Sample) -> dict[str, Any]:
    """Build the row of `sample` as `benchmark.dataset.schema.RECORDS` describes it.

    PNG and JPEG files are stored as they came; other formats become PNG. A synthesised image is stored as PNG, or, when
    JPEG is all that was done to it, as that very JPEG.

    Arguments:
        sample: Where the two images come from.

    Returns:
        The row, with Image structs `{"bytes", "path"}` for `degraded` and `clean`.

    Raises:
        UserError: An image cannot be read, or the two differ in size. The message says which and why.
        SourceUnreachable: A file vanished since it was listed.
    """
    clean = _load(sample.clean)
    spec, told = None, (sample.degradation,)
    if sample.degraded is not None:
        degraded = _stored(_read(sample.degraded), sample.degraded.name)
    else:
        assert sample.spec is not None
        given = parse(sample.spec)
        spec = expand(given, seed=sample.seed, key=sample.key)
        degraded = _synthesise(spec, clean.pixels, seed=sample.seed, key=sample.key)
        if len(given.steps) > 1 or spec != given:  # the type's word cannot say all that a mixed or a wild pipeline does
            told = words(spec)
    if degraded.pixels.shape != clean.pixels.shape:
        raise BadImage(
            f"the degraded image is {degraded.pixels.shape[1]}x{degraded.pixels.shape[0]} but the clean one is "
            f"{clean.pixels.shape[1]}x{clean.pixels.shape[0]} ({sample.clean.name})"
        )
    return {
        "key": sample.key,
        "degradation": sample.degradation,
        "degradations": list(sample.words or told),
        "source": sample.source,
        "split": sample.split,
        "degraded": {"bytes": degraded.data, "path": f"{sample.key}/degraded{degraded.suffix}"},
        "clean": {"bytes": clean.data, "path": f"{sample.key}/clean{clean.suffix}"},
        "width": clean.pixels.shape[1],
        "height": clean.pixels.shape[0],
        "spec": str(spec) if spec is not None else None,
        "seed": sample.seed if spec is not None else None,
        "clean_sha256": clean.sha256,
        "degraded_sha256": degraded.sha256,
    }


def stored_sha256(image: ImageBytes) -> str | None:
    """Return the digest under which an image is stored, None when it cannot be.

    Raises:
        SourceUnreachable: Its file vanished since it was listed.
    """
    try:
        data = _read(image)
        return sha256_bytes(data) if data.startswith(tuple(_SIGNATURES)) else _stored(data, image.name).sha256
    except SourceUnreachable:
        raise
    except UserError:
        return None


def _synthesise(spec: Spec, clean: np.ndarray, *, seed: int, key: str) -> StoredImage:
    if clean.shape[0] * clean.shape[1] > SYNTHESIS_PIXELS:
        raise BadImage(
            f"{clean.shape[1]}x{clean.shape[0]} pixels are too many to be degraded (limit {SYNTHESIS_PIXELS / 1e6:.0f} "
            "million): shrink or cut the image"
        )
    last = spec.steps[-1]
    quality = dict(last.arguments).get("quality") if last.name == "jpeg" and len(spec.steps) == 1 else None
    if isinstance(quality, int) and 1 <= quality <= 100 and min(clean.shape[:2]) >= 8:
        return _stored(compress(clean, quality=quality), key)
    degraded = apply(spec, clean, seed=seed, key=key)
    data = encode_png(degraded, compress=last.name not in INCOMPRESSIBLE)
    return StoredImage(data, degraded, sha256_bytes(data), ".png")


@functools.lru_cache(maxsize=1)
def _load(image: ImageBytes) -> StoredImage:
    # Neighbouring samples often share their clean image (JPEG and noise on DIV2K): it is read and decoded once.
    return _stored(_read(image), image.name)


def _read(image: ImageBytes) -> bytes:
    try:
        return image.read()
    except FileNotFoundError:
        raise SourceUnreachable(
            f"{image.name} was listed but is not there now on {platform.node() or 'this machine'}: put the sources "
            "where every machine of the build sees them, and run it again (it continues)"
        ) from None
    except OSError as error:
        raise UserError(f"{image.name}: cannot be read ({error.strerror or error})") from None


def _stored(data: bytes, name: str) -> StoredImage:
    try:
        pixels = decode(data)
    except BadImage as error:
        raise BadImage(f"{name}: {error}") from None
    suffix = next((ending for start, ending in _SIGNATURES.items() if data.startswith(start)), None)
    if suffix is None:
        data, suffix = encode_png(pixels), ".png"
    return StoredImage(data, pixels, sha256_bytes(data), suffix)
