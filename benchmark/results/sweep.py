"""The file of a sweep over samplers and network calls: its form, and reading what anybody may have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.results.files import read_result_json
from benchmark.results.strict import parse
from models.errors import UserError

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class SweptSet:
    """Which images: the first so many of each type, or all."""

    name: str
    digest: str
    per_type: int | None


@dataclass(frozen=True, kw_only=True)
class Process:
    """The process that the network was trained on."""

    steps: int
    max_sigma: float
    schedule: str
    eps: float


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What was swept: all that the numbers depend on besides sampler and calls."""

    title: str
    network: str
    weights_sha256: str
    sde: Process
    test_set: SweptSet
    protocol: str
    seed: int
    daclip_sha256: str | None = None
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class SweepCell:
    """The mean of each metric for one sampler and number of calls."""

    sampler: str
    prediction: str
    nfe: int
    n: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What the file holds.

    Raises:
        UserError: The schema is another one, a cell is there twice, or cells have other metrics or images.
    """

    schema: int
    identity: Swept
    cells: tuple[SweepCell, ...]

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise UserError(f"schema is {self.schema}, but this version of the program reads schema {SCHEMA}")
        places = [(cell.sampler, cell.nfe) for cell in self.cells]
        if not places or len(set(places)) != len(places):
            raise UserError("every sampler needs each number of calls once, and there must be at least one")
        if len({(cell.n, tuple(cell.metrics)) for cell in self.cells}) > 1:
            raise UserError("all cells must rest on the same images and have the same metrics")
        if any(min(cell.n, cell.nfe) < 1 for cell in self.cells):
            raise UserError("counts of images and of network calls start at 1")


def read_sweep(path: Path) -> dict[str, Any]:
    """Read a sweep, compare it with its seal and check its form.

    Returns:
        What the file holds, without its seal.

    Raises:
        UserError: It is broken, or was changed after it was written.
    """
    value = read_result_json(path, "sweep")
    sweep = parse(Sweep, value, where=str(path))
    if sweep.identity.device is not None:  # written since there are seals
        read_result_json(path, "sweep", new=("identity",))
    return value


def same_work(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Say whether a file's identity is that of a sweep that shall go on; what sweeps of before did not tell is open.

    Arguments:
        found: The identity in the file.
        wanted: That of the sweep.
    """
    told = {"daclip_sha256": None, "device": wanted["device"], **found}
    return told == dict(wanted)
