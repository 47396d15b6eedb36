"""One part of a dataset: is every byte what the manifest says, does every image decode, does every spec hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq

from benchmark import engine
from benchmark.building.record import SYNTHESIS_PIXELS
from benchmark.dataset.folder import Dataset
from benchmark.dataset.schema import RECORDS, wrong_with
from benchmark.dataset.shards import DAMAGE, MAX_ROWS
from benchmark.degradations.specs.pipeline import apply
from benchmark.verify.findings import Finding, Shown
from benchmark.verify.fit import measure_fit
from benchmark.verify.rows import Row
from benchmark.verify.structure import grey, pixel_digest, thumbnail
from models.errors import UserError
from models.files import sha256_bytes, sha256_file
from models.images.pixels import BadImage, decode

_BATCH = 8  # rows of a row group that are unpacked at once


@dataclass(frozen=True)
class Part:
    """One job of the audit.

    Arguments:
        file: A shard.
        name: Its name in the manifest.
        split: Its split.
        group: A row group to check, or None to check the file as a whole.
        sha256: The file's digest by the manifest.
    """

    file: Path
    name: str
    split: str
    group: int | None
    sha256: str


@dataclass(eq=False)
class PartReport:
    """What came out of a part: findings, the pairs that could be read, what was checked."""

    part: Part
    findings: list[Finding] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def error(self, kind: str, where: str, what: str, row: Row | None = None) -> None:
        """Note an error, with the images of its pair when there are any."""
        images = () if row is None else tuple(Shown(role, row.place(role)) for role in ("degraded", "clean"))
        self.findings.append(Finding("error", kind, where, what, images=images))


def parts_of(dataset: Dataset) -> tuple[list[Part], list[Finding]]:
    """Cut a dataset into jobs: each shard as a whole, and each of its row groups.

    Returns:
        The jobs in the order of the data, and a finding for each shard whose row groups cannot be listed.
    """
    parts: list[Part] = []
    findings: list[Finding] = []
    declared = {shard["file"]: shard["sha256"] for shard in dataset.manifest["shards"]}
    for split in dataset.manifest["splits"]:
        for file in dataset.shards(split):
            name = f"data/{file.name}"
            parts.append(Part(file, name, split, None, declared[name]))
            try:
                with pq.ParquetFile(file) as opened:
                    if opened.metadata.num_rows > MAX_ROWS:
                        findings.append(Finding("error", "shard", name, f"it has more than {MAX_ROWS} rows"))
                    elif opened.schema_arrow.equals(RECORDS):
                        groups = range(opened.num_row_groups)
                        parts += [Part(file, name, split, group, declared[name]) for group in groups]
                    else:
                        findings.append(Finding("error", "shard", name, "its columns are not those of this schema"))
            except DAMAGE as error:
                findings.append(Finding("error", "shard", name, f"cannot be read as Parquet ({_first_line(error)})"))
    return parts, findings


def check_sidecar(dataset: Dataset) -> list[Finding]:
    """Compare the captions that came along with the sources with the manifest."""
    findings: list[Finding] = []
    for part in dataset.manifest["sidecar"].values():
        try:
            what = "its bytes are not those of the manifest"
            whole = sha256_file(dataset.folder / part["file"]) == part["sha256"]
        except OSError as error:
            what, whole = f"cannot be read ({error.strerror or error})", False
        if not whole:
            findings.append(Finding("error", "shard", part["file"], what))
    return findings


def check_part(part: Part) -> PartReport:
    """Check one part; damage of any kind becomes a finding and never an exception."""
    report = PartReport(part)
    if part.group is None:
        report.checked["shards"] += 1
        try:
            if sha256_file(part.file) != part.sha256:
                report.error("shard", part.name, "its bytes are not those of the manifest")
        except OSError as error:
            report.error("shard", part.name, f"cannot be read ({error.strerror or error})")
        return report
    seen: set[tuple[str, str]] = set()
    last = _Decoded()
    try:
        for number, values in _rows_of(part.file, part.group):
            row = _check_row(values, number, report, seen, last)
            if row is not None:
                report.rows.append(row)
            engine.advance()
    except DAMAGE as error:
        what = f"row group {part.group} cannot be read as Parquet ({_first_line(error)})"
        report.error("shard", part.name, what)
    return report


def _rows_of(file: Path, group: int) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=_BATCH, row_groups=[group]):
            for values in batch.to_pylist():
                yield number, values
                number += 1


@dataclass
class _Decoded:
    """The last clean image: neighbouring pairs often share it, and it is decoded once."""

    data: bytes = b""
    pixels: np.ndarray | None = None


def _check_row(
    values: dict[str, Any], number: int, report: PartReport, seen: set[tuple[str, str]], last: _Decoded
) -> Row | None:
    part = report.part
    report.checked["pairs"] += 1
    texts = ("key", "degradation", "source", "split", "clean_sha256", "degraded_sha256")
    if any(values[name] is None for name in texts) or values["width"] is None or values["height"] is None:
        report.error("row", values["key"] or f"{part.name} group {part.group} row {number}", "its row has empty fields")
        return None
    key = values["key"]
    if (reason := wrong_with(values)) is not None:
        report.error("row", key, reason)
    if values["split"] != part.split:
        report.error("row", key, f"its row says split {values['split']!r} but it lies in {part.split}")
    assert part.group is not None
    facts = {name: values[name] for name in ("key", "degradation", "source", "degraded_sha256", "clean_sha256")}
    size = (values["width"], values["height"])
    bare = Row(**facts, split=part.split, size=size, file=part.file, group=part.group, row=number)
    pixels: dict[str, np.ndarray] = {}
    digests: dict[str, str] = {}
    for role in ("degraded", "clean"):
        data = (values[role] or {}).get("bytes") or b""
        report.checked["images"] += 1
        if sha256_bytes(data) != values[f"{role}_sha256"]:
            report.error("bytes", key, f"the bytes of its {role} image do not match their sha256", bare)
        try:
            pixels[role] = (
                last.pixels if role == "clean" and data == last.data and last.pixels is not None else decode(data)
            )
        except BadImage as error:
            report.error("decoding", key, f"its {role} image: {error}")
            continue
        if role == "clean":
            last.data, last.pixels = data, pixels[role]
        digests[role] = pixel_digest(pixels[role])
        height, width = pixels[role].shape[:2]
        if (width, height) != size:
            report.error("size", key, f"its {role} image is {width}x{height}, not {size[0]}x{size[1]}", bare)
    thumb = None
    if "clean" in pixels and (bare.source, digests["clean"]) not in seen:
        seen.add((bare.source, digests["clean"]))
        thumb = thumbnail(grey(pixels["clean"]))
    fit = None
    if len(pixels) == 2 and pixels["degraded"].shape == pixels["clean"].shape:
        same = digests["degraded"] == digests["clean"]
        if same:
            report.error("same-picture", key, "degraded and clean are the same picture", bare)
        made_again = values["spec"] is not None and _check_spec(values, pixels, report, bare)
        if not made_again and not same and min(size) >= 16:
            words = values["degradations"] or ()
            fit = measure_fit(pixels["degraded"], pixels["clean"], degradation=bare.degradation, words=words)
    return Row(
        **facts,
        split=part.split,
        size=size,
        file=part.file,
        group=part.group,
        row=number,
        degraded_pixels=digests.get("degraded", ""),
        clean_pixels=digests.get("clean", ""),
        thumb=thumb,
        fit=fit,
    )


def _check_spec(values: dict[str, Any], pixels: dict[str, np.ndarray], report: PartReport, row: Row) -> bool:
    """Make the degraded image again, and say whether it is the stored one."""
    report.checked["specs"] += 1
    if pixels["clean"].shape[0] * pixels["clean"].shape[1] > SYNTHESIS_PIXELS:
        report.error("spec", row.key, f"it has a spec, but more than {SYNTHESIS_PIXELS} pixels, which none is made for")
        return False
    try:
        again = apply(values["spec"], pixels["clean"], seed=values["seed"] or 0, key=row.key)
    except (UserError, cv2.error, *DAMAGE) as error:  # a spec of a stranger may break an operation in any way
        report.error("spec", row.key, f"its spec cannot be applied: {_first_line(error)}", row)
        return False
    if np.array_equal(again, pixels["degraded"]):
        return True
    report.error("spec", row.key, f"{values['spec']} with its seed gives another image than the stored one", row)
    return False


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
