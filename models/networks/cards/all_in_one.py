"""Networks that Table 3 trains on all ten degradations at once: Restormer, AirNet, PromptIR."""

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
    NetworkCard(
        name="promptir",
        target="models.networks.promptir.network:PromptIR",
        title="PromptIR",
        paper="PromptIR: Prompting for All-in-One Blind Image Restoration, Potlapalli et al., NeurIPS 2023",
        year=2023,
        url="https://arxiv.org/abs/2306.13090",
        multiple_of=8,
        # Its attention between channels sums over the whole image, and its prompts are stretched to it.
        tiles="close",
        half=("bf16", "fp16"),
        weights_licence=_LICENCE,
        files=(
            ReleasedFile(
                name="model.ckpt",
                about="noise, rain and haze at once",
                page="https://github.com/va1shn9v/PromptIR/releases/download/v1.0/model.ckpt",
            ),
        ),
        nesting=("state_dict",),
        summary="Restormer with learned prompts that its decoder mixes by what it sees; told nothing.",
    ),
    NetworkCard(
        name="airnet",
        target="models.networks.airnet.network:AirNet",
        title="AirNet",
        paper="All-In-One Image Restoration for Unknown Corruption, Li et al., CVPR 2022",
        year=2022,
        url="https://openaccess.thecvf.com/content/CVPR2022/html/Li_All-in-One_Image_Restoration_for_Unknown_Corruption_CVPR_2022_paper.html",
        # Nothing pools, but how far a deformable convolution looks is learned.
        tiles="close",
        weights_licence="no licence given",
        files=tuple(
            ReleasedFile(name=name, about=about, page="https://github.com/XLearning-SCU/2022-CVPR-AirNet")
            for name, about in (
                ("All.pth", "noise, rain and haze at once"),
                ("Denoise.pth", "noise with sigma 15, 25 and 50"),
                ("Derain.pth", "Rain100L"),
                ("Dehaze.pth", "RESIDE"),
            )
        ),
        summary="Finds a map of the degradation by itself and bends its convolutions by it; told nothing.",
    ),
)
