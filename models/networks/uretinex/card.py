"""The card of URetinex-Net."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="uretinex",
        target="models.networks.uretinex.network:URetinexNet",
        title="URetinex-Net",
        paper="URetinex-Net: Retinex-based Deep Unfolding Network for Low-light Image Enhancement, Wu et al., "
        "CVPR 2022",
        year=2022,
        url="https://openaccess.thecvf.com/content/CVPR2022/html/Wu_URetinex-Net_Retinex-Based_Deep_Unfolding_Network_"
        "for_Low-Light_Image_Enhancement_CVPR_2022_paper.html",
        tasks=("low-light",),
        weights_licence="MIT; the authors' page adds: for non-commercial use only",
        files=(
            ReleasedFile(
                name="init_low.pth",
                about="LOL, part 1: decomposition",
                page="https://github.com/AndersonYong/URetinex-Net",
                size=250_453,
                sha256="00a8d28ecaff67a79e045b3324bfab57d8ef18236a96a94aa9bcecccbb1f7e2d",
            ),
            ReleasedFile(
                name="unfolding.pth",
                about="LOL, part 2: priors",
                page="https://github.com/AndersonYong/URetinex-Net",
                size=3_207_861,
                sha256="65ec556a3bd673cc4571bdd937ad38e44a56cbb011b81ad933b7d6ebeb6d55b5",
            ),
            ReleasedFile(
                name="L_adjust.pth",
                about="LOL, part 3: adjustment",
                page="https://github.com/AndersonYong/URetinex-Net",
                size=1_802_447,
                sha256="6caba8b00e32758323294f3d49fcc0337e1884964cdebb85ae733ebd67442eda",
            ),
        ),
        # Its gates see the mean of the image: tiles of 320 pixels were wrong by 9 grey levels in the mean.
        tiles="no",
        half=("bf16", "fp16"),
        # init_high.pth, the fourth file, serves training alone.
        parts=("init_low.pth", "unfolding.pth", "L_adjust.pth"),
        rounding="truncate",
        summary="Takes an image apart into reflectance and illumination, cleans both in rounds, and lights it anew.",
    ),
)
