"""The named, versioned ways in which scores are computed. A score without its protocol cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.catalogue import Catalogue


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Every choice that moves a number, as data.

    One choice is not a protocol's: a float output becomes 8 bits by rounding or by truncation, as the network's
    official writer does it; the network's card says which.

    Arguments:
        name: Identifier, stored in each result.
        version: Raised whenever a change moves a score.
        title: Name in prose and tables.
        channels: PSNR and SSIM on all three colours ("rgb") or on BT.601 studio-range brightness ("y").
        y_rounding: Whether brightness is rounded to 8 bits, as MATLAB does with 8-bit images.
        crop: Pixels cut off each side before PSNR and SSIM (never before LPIPS and FID).
        crop_multiple: Height and width are cut down to multiples of this, around the centre, before PSNR and SSIM.
        psnr_input: PSNR and SSIM see the "8bit" image, or the network's "float" output clipped to [0, 1].
        ssim: "gaussian" (11x11, sigma 1.5, windows inside the image), "uniform" (7x7, scikit-image's default), or
            "matlab" (the Gaussian with the border repeated, and over the three colours as over a volume).
        metrics: The metrics that belong to it; those of a set are "fid" and "kid".
        lpips_net: Backbone of LPIPS.
        lpips_order: Order of the channels that LPIPS sees.
        lpips_input: LPIPS sees the network's unclamped "float" output, or the "8bit" image.
        fid: Recipe of FID and KID, always on 8-bit images at full size.
        description: What it is for, in a sentence or two.
        reference: Where the choices come from.
    """

    name: str
    version: int = 1
    title: str
    channels: Literal["rgb", "y"] = "rgb"
    y_rounding: bool = False
    crop: int = 0
    crop_multiple: int = 1
    psnr_input: Literal["float", "8bit"] = "8bit"
    ssim: Literal["gaussian", "uniform", "matlab"] = "gaussian"
    metrics: tuple[str, ...] = ("psnr", "ssim", "lpips", "fid")
    lpips_net: Literal["alex", "vgg", "squeeze"] = "alex"
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
            name="daclip-table2-vgg",
            title="DA-CLIP Table 2 (b), URetinex-Net's row",
            ssim="uniform",
            lpips_net="vgg",
            lpips_order="bgr",
            metrics=("psnr", "ssim", "lpips"),
            description=(
                "What fits the printed row of URetinex-Net on LOL, and no other: SSIM with scikit-image's 7x7 uniform "
                "window, LPIPS with VGG features and the channels in OpenCV's order (BGR)."
            ),
            reference="Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., ICLR 2024), "
            "Table 2 (b), https://arxiv.org/abs/2310.01018",
        ),
        Protocol(
            name="restormer-y",
            title="Restormer and MPRNet, deraining",
            channels="y",
            y_rounding=True,
            metrics=("psnr", "ssim"),
            description=(
                "What the MATLAB scripts behind Restormer's and MPRNet's deraining tables compute on 8-bit files: PSNR "
                "and SSIM on the Y channel of rgb2ycbcr, which is rounded to 8 bits; no crop."
            ),
            reference="Restormer: Efficient Transformer for High-Resolution Image Restoration (Zamir et al., CVPR "
            "2022), https://arxiv.org/abs/2111.09881",
        ),
        Protocol(
            name="promptir",
            title="PromptIR and AdaIR",
            crop_multiple=16,
            psnr_input="float",
            ssim="uniform",
            metrics=("psnr", "ssim"),
            description=(
                "What the all-in-one comparisons after AirNet and PromptIR compute: scikit-image's PSNR and SSIM (7x7 "
                "uniform window) on the clipped float output, cut down to multiples of 16 around the centre. They cut "
                "before the network sees the image; here the network restores all of it and the same part is scored."
            ),
            reference="https://github.com/c-yn/AdaIR (utils/val_utils.py); PromptIR: Prompting for All-in-One Blind "
            "Image Restoration (Potlapalli et al., NeurIPS 2023), https://arxiv.org/abs/2306.13090",
        ),
        Protocol(
            name="nafnet-tlc",
            title="NAFNet on GoPro and REDS",
            ssim="matlab",
            metrics=("psnr", "ssim"),
            description=(
                "What NAFNet's test script computes on 8-bit RGB: PSNR without a crop, and SSIM as MATLAB takes it of "
                "a volume, over the three colours with the border repeated. The published figures belong to the "
                "network with statistics of local windows (TLC): nafnet-local."
            ),
            reference="https://github.com/megvii-research/NAFNet (basicsr/metrics/psnr_ssim.py); Improving Image "
            "Restoration by Revisiting Global Information Aggregation (Chu et al., ECCV 2022), "
            "https://arxiv.org/abs/2112.04491",
        ),
        Protocol(
            name="modern",
            title="8-bit RGB, no crop",
            metrics=("psnr", "ssim", "lpips", "fid", "kid"),
            description=(
                "For new comparisons: every metric on the same 8-bit RGB files, whole images, LPIPS in the channel "
                "order on which its network was trained, and KID, which unlike FID has no bias with few images."
            ),
            reference="The common ground of current restoration benchmarks; no paper's own habits",
        ),
    ],
)
