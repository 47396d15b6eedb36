"""The named, versioned ways in which scores are computed. A score without its protocol cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.catalogue import Catalogue

SCORER = "benchmark.metrics.scorer:Scorer"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Every choice that moves a number, as data.

    Arguments:
        name: Identifier, stored in each result.
        version: Raised whenever a change moves a score.
        target: "module:class" of the scorer.
        title: Name in prose and tables.
        channels: PSNR and SSIM on all three colours ("rgb") or on BT.601 studio-range brightness ("y").
        crop: Pixels cut off each side before PSNR and SSIM (never before LPIPS and FID).
        ssim: "gaussian" (11x11, sigma 1.5) or "uniform" (7x7, scikit-image's default).
        rounding: How a float output becomes 8 bits, after clipping to [0, 1].
        lpips_net: Backbone of LPIPS.
        lpips_order: Order of the channels that LPIPS sees.
        lpips_input: LPIPS sees the network's unclamped "float" output, or the "8bit" image.
        fid: Recipe of FID, always on 8-bit images at full size.
        description: What it is for, in a sentence or two.
        reference: Where the choices come from.
    """

    name: str
    version: int = 1
    target: str = SCORER
    title: str
    channels: Literal["rgb", "y"] = "rgb"
    crop: int = 0
    ssim: Literal["gaussian", "uniform"] = "gaussian"
    rounding: Literal["round"] = "round"
    lpips_net: Literal["alex", "vgg"] = "alex"
    lpips_order: Literal["rgb", "bgr"] = "rgb"
    lpips_input: Literal["float", "8bit"] = "8bit"
    fid: Literal["pytorch-fid"] = "pytorch-fid"
    description: str
    reference: str

    @property
    def identifier(self) -> str:
        """Name and version, e.g. `daclip-v1`."""
        return f"{self.name}-v{self.version}"


PROTOCOLS = Catalogue[Protocol](
    "protocol",
    [
        Protocol(
            name="daclip",
            title="DA-CLIP test script",
            crop=4,
            lpips_input="float",
            description=(
                "What the authors' test script computes: PSNR and SSIM on 8-bit RGB after a border of 4 pixels is cut "
                "off, LPIPS on the whole unclamped float output. FID, which the script lacks, is pytorch-fid's."
            ),
            reference="https://github.com/Algolzw/daclip-uir (universal-image-restoration/config/daclip-sde/test.py)",
        ),
        Protocol(
            name="daclip-table2",
            title="DA-CLIP Table 2",
            lpips_order="bgr",
            description=(
                "What fits the printed rows of compared methods on LOL, GoPro and RESIDE: 8-bit RGB files, no crop, "
                "and LPIPS with the channels in OpenCV's order (BGR), which was found by measuring, not stated."
            ),
            reference="Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., ICLR 2024), "
            "Table 2, https://arxiv.org/abs/2310.01018",
        ),
        Protocol(
            name="daclip-derain-y",
            title="DA-CLIP Table 2 (a), brightness",
            channels="y",
            lpips_order="bgr",
            description=(
                "What fits the printed rows of compared methods on Rain100H: as daclip-table2, but PSNR and SSIM on "
                "the BT.601 studio-range Y channel."
            ),
            reference="Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., ICLR 2024), "
            "Table 2 (a), https://arxiv.org/abs/2310.01018",
        ),
        Protocol(
            name="modern",
            title="8-bit RGB, no crop",
            description=(
                "For new comparisons: every metric on the same 8-bit RGB files, whole images, LPIPS in the channel "
                "order on which its network was trained."
            ),
            reference="The common ground of current restoration benchmarks; no paper's own habits",
        ),
    ],
)
