"""The card of Restormer."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

_LICENCE = "Academic Public License (non-commercial)"


CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="restormer",
        target="models.networks.restormer.network:Restormer",
        title="Restormer",
        paper="Restormer: Efficient Transformer for High-Resolution Image Restoration, Zamir et al., CVPR 2022",
        year=2022,
        url="https://arxiv.org/abs/2111.09881",
        multiple_of=8,
        # Its attention between channels sums over the whole image.
        tiles="close",
        half=("bf16", "fp16"),
        weights_licence=_LICENCE,
        files=tuple(
            ReleasedFile(name=name, about=about, page="https://github.com/swz30/Restormer/releases/tag/v1.0")
            for name, about in (
                ("deraining.pth", "rain of several sets"),
                ("motion_deblurring.pth", "GoPro (motion blur)"),
                ("single_image_defocus_deblurring.pth", "DPDD (defocus blur)"),
                ("gaussian_color_denoising_blind.pth", "noise with sigma up to 50"),
                ("gaussian_color_denoising_sigma15.pth", "noise with sigma 15"),
                ("gaussian_color_denoising_sigma25.pth", "noise with sigma 25"),
                ("gaussian_color_denoising_sigma50.pth", "noise with sigma 50"),
                ("real_denoising.pth", "SIDD (camera noise)"),
            )
        ),
        nesting=("params",),
        summary="A U-Net of transformer blocks whose attention is between channels, not between pixels.",
    ),
)
