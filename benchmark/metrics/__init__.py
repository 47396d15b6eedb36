"""The catalogue of metrics; a score also needs a protocol (`benchmark.metrics.protocols`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.catalogue import Catalogue


@dataclass(frozen=True, kw_only=True)
class MetricCard:
    """What a metric declares about itself.

    Arguments:
        name: Name in results and on the command line.
        target: "module:attribute" of what computes it; `needs` says what that is.
        needs: What it sees. "pixels": a function of the two images, with shape `(H, W)` or `(H, W, C)` as the protocol
            cuts them, and of their `data_range`, which returns a number. "lpips": a class made from a backbone with
            `features` and `compare`, as `Lpips`. "inception": a class that takes the features of image after image, as
            `Fid`.
        options: Keyword arguments of a function of pixels that the protocol decides, each with the protocol's field.
        label: Heading in tables.
        unit: Unit of the value, or an empty string.
        decimals: Digits after the point in tables, as the paper prints them.
        higher_is_better: Which way is up.
    """

    name: str
    target: str
    label: str
    unit: str = ""
    decimals: int
    higher_is_better: bool
    needs: Literal["pixels", "lpips", "inception"]
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Literal["image", "set"]:
        """Whether there is one number per image, or one per set of images."""
        return "set" if self.needs == "inception" else "image"


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
            needs="pixels",
        ),
        MetricCard(
            name="ssim",
            target="benchmark.metrics.ssim:ssim",
            label="SSIM",
            decimals=3,
            higher_is_better=True,
            needs="pixels",
            options={"window": "ssim"},
        ),
        MetricCard(
            name="lpips",
            target="benchmark.metrics.lpips:Lpips",
            label="LPIPS",
            decimals=3,
            higher_is_better=False,
            needs="lpips",
        ),
        MetricCard(
            name="fid",
            target="benchmark.metrics.fid:Fid",
            label="FID",
            decimals=2,
            higher_is_better=False,
            needs="inception",
        ),
        MetricCard(
            name="kid",
            target="benchmark.metrics.kid:Kid",
            label="KID",
            decimals=5,
            higher_is_better=False,
            needs="inception",
        ),
    ],
)
