"""The file of `bench speed networks`: its form, and reading what anybody may have written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.results.files import read_result_json
from benchmark.results.strict import parse
from models.errors import UserError

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Row:
    """One network on one size of image, see `benchmark.speed.network_call.measure`."""

    seconds: float
    processor_seconds: float
    runs: int
    peak_memory_bytes: int
    held_memory_bytes: int
    max_memory_bytes: int | None
    tile: str | None
    load: float
    commit: str | None
    command: str
    date: str
    step_seconds: float | None = None
    step_processor_seconds: float | None = None
    tiles: int | None = None
    tiles_done: int | None = None

    def __post_init__(self) -> None:
        if (self.tile is None) != (self.tiles is None):
            raise UserError("an image in tiles needs both their size and their number")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One network."""

    title: str
    parameters: int
    nfe: int
    sizes: Mapping[str, Row]
    flops: int | None = None
    flops_size: str | None = None
    daclip_parameters: int | None = None

    def __post_init__(self) -> None:
        for size in self.sizes:
            _check_size(size)
        if not self.sizes or len({row.step_seconds is None for row in self.sizes.values()}) > 1:
            raise UserError("a network needs at least one size, and all of them in steps or none")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What all measurements of a file have in common."""

    hardware: str
    threads: int
    device: str
    precision: str
    versions: Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What the file holds.

    Raises:
        UserError: It is of another schema or holds measurements of something else.
    """

    schema: int
    what: str
    weights: str
    machine: Machine
    networks: Mapping[str, Entry]
    refused: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.schema, self.what) != (SCHEMA, "networks") or not self.networks:
            raise UserError(f"expected measurements of networks, schema {SCHEMA}, and at least one network")
        for sizes in self.refused.values():
            for size in sizes:
                _check_size(size)


def read_measurements(path: Path) -> dict[str, Any]:
    """Read measurements of networks, compare them with their seal and check their form.

    Returns:
        What the file holds, without its seal.

    Raises:
        UserError: They are broken, or were changed after they were written.
    """
    value = read_result_json(path, "measurements")
    parse(Measurements, value, where=str(path))
    for name, entry in value["networks"].items():
        if "flops" not in entry:
            raise UserError(f"{path}: {name}: the key 'flops' is missing")
    return value


def _check_size(text: str) -> None:
    if re.fullmatch(r"[1-9]\d{0,5}x[1-9]\d{0,5}", text) is None:
        raise UserError(f"{text!r} is no size: expected width and height, such as 1280x720")
