"""The parts of a result: a score, its group, the method, the test set, the protocol and the cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.results.strict import plain
from models.errors import UserError


@dataclass(frozen=True)
class Score:
    """A metric's value with the number of images behind it.

    Arguments:
        value: The number; infinity may be given and is then held as None with `infinite` set, as JSON has no infinity.
        n: How many images (or, for a set metric, how many in the set) it rests on.
        ci95: Bounds of the 95 % interval, or None when there is none.
        infinite: The value is infinite (PSNR of identical images).

    Raises:
        UserError: The value is NaN, negative infinity, or absent without being infinite; or the interval is not one.
    """

    value: float | None
    n: int
    ci95: tuple[float, float] | None = None
    infinite: bool = False

    def __post_init__(self) -> None:
        if self.value is not None and math.isinf(self.value) and self.value > 0:
            object.__setattr__(self, "value", None)
            object.__setattr__(self, "infinite", True)
        if (self.value is None) != self.infinite:
            raise UserError("a score needs either a value or the mark 'infinite', and not both")
        if self.value is not None and not math.isfinite(self.value):
            raise UserError(f"a score cannot be {self.value}")
        if self.n < 1:
            raise UserError(f"a score of {self.n} images is no score")
        if self.ci95 is not None:
            if not all(math.isfinite(bound) for bound in self.ci95):
                object.__setattr__(self, "ci95", None)
            elif self.ci95[0] > self.ci95[1]:
                raise UserError(f"the 95 % interval {list(self.ci95)} ends before it starts")

    @property
    def number(self) -> float:
        """The value as a number: infinity when it is infinite."""
        return math.inf if self.value is None else self.value

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `infinite` is written only when it is set."""
        value = plain(self)
        if not self.infinite:
            del value["infinite"]
        return value


@dataclass(frozen=True)
class Group:
    """The scores of one degradation type."""

    n: int
    metrics: Mapping[str, Score]


@dataclass(frozen=True)
class Method:
    """What was evaluated: a network with its weights, or a folder of restored images with its digest."""

    name: str
    title: str
    network: str | None = None
    parameters: int | None = None
    weights_sha256: str | None = None
    restored_digest: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What else the numbers depend on, besides weights, sampler and seed; results of before have none.

    Arguments:
        daclip_sha256: Digest of the DA-CLIP that the network listens to, or None.
        code_sha256: Digest of the code of a network from outside the catalogue, or None.
        device: Where it ran: "cpu", "cuda", ...
        precision: What it computed in.
        max_memory: Bytes to which larger images were cut into tiles; None for whole images.
    """

    daclip_sha256: str | None = None
    code_sha256: str | None = None
    device: str
    precision: str = "fp32"
    max_memory: int | None = None


@dataclass(frozen=True)
class TestSet:
    """Which images; two test sets are the same only when their digests are."""

    __test__ = False  # not a test class, whatever its name says to pytest

    name: str
    title: str
    digest: str
    n: int
    degradations: tuple[str, ...]


@dataclass(frozen=True)
class ProtocolId:
    """The named, versioned way in which the metrics were computed."""

    id: str
    version: int | str

    def __post_init__(self) -> None:
        if not self.id:
            raise UserError("a score without a protocol id cannot be compared with anything: name the protocol")

    def __str__(self) -> str:
        return f"{self.id} v{self.version}"


@dataclass(frozen=True)
class Cost:
    """What one image costs; FLOPs are those of the size written beside them, e.g. "256x256"."""

    seconds_per_image: float | None = None
    peak_memory_bytes: int | None = None
    nfe: int | None = None
    flops: int | None = None
    flops_size: str | None = None

    def __post_init__(self) -> None:
        if self.flops is not None and self.flops_size is None:
            raise UserError("FLOPs without the image size they belong to mean nothing: give flops_size")
