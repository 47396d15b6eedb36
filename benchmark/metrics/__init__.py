"""The catalogue of metrics; a score also needs a protocol (`benchmark.metrics.protocols`), which says how they are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.catalogue import Catalogue


@dataclass(frozen=True, kw_only=True)
class MetricCard:
    """What a metric declares about itself.

    Arguments:
        name: Name in results and on the command line.
        target: "module:attribute" of a function of two images (`psnr`, `ssim`) or of a class that holds a network.
        label: Heading in tables.
        unit: Unit of the value, or an empty string.
        decimals: Digits after the point in tables, as the paper prints them.
        higher_is_better: Which way is up.
        kind: "image" for one number per image, "set" for one number per test set.
    """

    name: str
    target: str
    label: str
    unit: str = ""
    decimals: int
    higher_is_better: bool
    kind: Literal["image", "set"]


METRICS = Catalogue[MetricCard](
    "metric",
    [
        MetricCard(
            name="psnr",
            target="benchmark.metrics.psnr:psnr",
            label="PSNR",
            unit="dB",
            decimals=2,
            higher_is_better=True,
            kind="image",
        ),
        MetricCard(
            name="ssim",
            target="benchmark.metrics.ssim:ssim",
            label="SSIM",
            decimals=3,
            higher_is_better=True,
            kind="image",
        ),
        MetricCard(
            name="lpips",
            target="benchmark.metrics.lpips:Lpips",
            label="LPIPS",
            decimals=3,
            higher_is_better=False,
            kind="image",
        ),
        MetricCard(
            name="fid",
            target="benchmark.metrics.fid:Fid",
            label="FID",
            decimals=2,
            higher_is_better=False,
            kind="set",
        ),
        MetricCard(
            name="kid",
            target="benchmark.metrics.kid:Kid",
            label="KID",
            decimals=5,
            higher_is_better=False,
            kind="set",
        ),
    ],
)
