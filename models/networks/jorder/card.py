"""The cards of JORDER and JORDER-E."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

_JORDER_PAGE = "http://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html"
_JORDER_E_PAGE = "https://github.com/flyywh/JORDER-E-Deep-Image-Deraining-TPAMI-2019-Journal"


CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="jorder",
        target="models.networks.jorder.network:JORDER",
        title="JORDER",
        paper="Deep Joint Rain Detection and Removal from a Single Image, Yang et al., CVPR 2017",
        year=2017,
        url="https://arxiv.org/abs/1609.07769",
        reach=12,
        tiles="exact",
        half=("bf16",),
        tasks=("rainy",),
        weights_licence="none stated",
        files=(
            ReleasedFile(
                name="rain_removal_single_heavy.caffemodel",
                about="Rain100H",
                page=_JORDER_PAGE,
                size=1485459,
                sha256="c0fab37839c31de884799fa5d48eb4de1e384b8427ccac11bcfc85131046811a",
            ),
            ReleasedFile(
                name="rain_removal_single_light.caffemodel",
                about="Rain100L",
                page=_JORDER_PAGE,
                size=1485449,
                sha256="a96eebec2929a54801d75385c24c2bb7834625180d46a3114c291d228969ec1a",
            ),
        ),
        summary="Twelve convolutions on the luminance; the chroma of the degraded image is kept.",
    ),
    NetworkCard(
        name="jorder-e",
        target="models.networks.jorder.extended:JORDERE",
        title="JORDER-E",
        paper="Joint Rain Detection and Removal from a Single Image with Contextualized Deep Networks, Yang et al., "
        "TPAMI 2019",
        year=2019,
        url="https://doi.org/10.1109/TPAMI.2019.2895793",
        reach=122,
        tiles="exact",
        tasks=("rainy",),
        weights_licence="none stated",
        files=(
            ReleasedFile(
                name="testing_practical/src/pretrained_model/model_practical.pt",
                about="heavy rain; 32 channels, 3 blocks",
                page=_JORDER_E_PAGE,
                size=1652875,
                sha256="f97df015f95c76806b0deb6c9cf8929be9bde9d1fab2afafb2f6f8bbe9f7655d",
            ),
        ),
        summary="Two passes that estimate the rain together with its place and its level.",
    ),
)
