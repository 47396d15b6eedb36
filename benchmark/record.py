"""One sample to one row: read or synthesise the degraded image, check the pair, digest both images."""

from __future__ import annotations

from typing import Any

from benchmark.degradations.specs import apply
from benchmark.sources.samples import ImageBytes, Sample
from models.errors import UserError
from models.files import sha256_bytes
from models.images import BadImage, decode, encode_png


def make_record(sample: Sample) -> dict[str, Any]:
    """Build the row of `sample` as `benchmark.schema.RECORDS` describes it.

    Bytes of distributed images are stored as they came; a synthesised image is stored as PNG.

    Arguments:
        sample: Where the two images come from.

    Returns:
        The row, with Image structs `{"bytes", "path"}` for `degraded` and `clean`.

    Raises:
        UserError: An image cannot be read, or the two differ in size. The message says which and why.
    """
    clean_bytes = _read(sample.clean)
    clean = _decode(clean_bytes, sample.clean.name)
    if sample.degraded is not None:
        degraded_bytes = _read(sample.degraded)
        degraded = _decode(degraded_bytes, sample.degraded.name)
    else:
        assert sample.spec is not None
        degraded = apply(sample.spec, clean, seed=sample.seed, key=sample.key)
        degraded_bytes = encode_png(degraded)
    if degraded.shape != clean.shape:
        raise BadImage(
            f"the degraded image is {degraded.shape[1]}x{degraded.shape[0]} but the clean one is "
            f"{clean.shape[1]}x{clean.shape[0]} ({sample.clean.name})"
        )
    return {
        "key": sample.key,
        "degradation": sample.degradation,
        "source": sample.source,
        "split": sample.split,
        "degraded": {"bytes": degraded_bytes, "path": f"{sample.key}/degraded{_suffix(degraded_bytes)}"},
        "clean": {"bytes": clean_bytes, "path": f"{sample.key}/clean{_suffix(clean_bytes)}"},
        "width": clean.shape[1],
        "height": clean.shape[0],
        "spec": sample.spec,
        "seed": sample.seed if sample.spec is not None else None,
        "clean_sha256": sha256_bytes(clean_bytes),
        "degraded_sha256": sha256_bytes(degraded_bytes),
    }


def _read(image: ImageBytes) -> bytes:
    try:
        return image.read()
    except OSError as error:
        raise UserError(f"{image.name}: cannot be read ({error.strerror or error})") from None


def _decode(data: bytes, name: str):
    try:
        return decode(data)
    except BadImage as error:
        raise BadImage(f"{name}: {error}") from None


def _suffix(data: bytes) -> str:
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return ".png"
    return ".jpg" if data[:2] == b"\xff\xd8" else ""
