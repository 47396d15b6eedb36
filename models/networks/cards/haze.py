"""Networks for haze: GCANet, GridDehazeNet and DehazeFormer."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

SETS = {
    "indoor": "RESIDE ITS, for SOTS indoor",
    "outdoor": "RESIDE OTS, for SOTS outdoor",
    "reside6k": "RESIDE-6K",
    "rshaze": "RS-Haze, satellite images",
}


def dehazeformer(size: str, target: str) -> NetworkCard:
    """Return the card of a published size of DehazeFormer: "t", "s" or "b"."""
    return NetworkCard(
        name=f"dehazeformer-{size}",
        target=f"models.networks.dehazeformer.network:{target}",
        title=f"DehazeFormer-{size.upper()}",
        paper="Vision Transformers for Single Image Dehazing, Song et al., IEEE TIP 2023",
        year=2023,
        url="https://arxiv.org/abs/2204.03883",
        multiple_of=4,
        # Smaller images cannot be mirrored up to whole windows; the published code fails on them.
        minimum_size=28,
        half=("fp16",),
        tasks=("hazy",),
        weights_licence="MIT",
        files=tuple(
            ReleasedFile(
                name=f"{folder}/dehazeformer-{size}.pth", about=about, page="https://github.com/IDKiro/DehazeFormer"
            )
            for folder, about in SETS.items()
        ),
        nesting=("state_dict",),
        summary="A U-Net of window attention and depthwise convolutions that predicts a soft reconstruction.",
    )


CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="gcanet",
        target="models.networks.gcanet.network:GCANet",
        title="GCANet",
        paper="Gated Context Aggregation Network for Image Dehazing and Deraining, Chen et al., WACV 2019",
        year=2019,
        url="https://arxiv.org/abs/1811.08747",
        multiple_of=2,
        minimum_size=4,
        # Instance norms: a tile of sky alone would be stretched to full contrast.
        tiles="no",
        half=("fp16",),
        tasks=("hazy",),
        weights_licence="none stated; the authors' page says: for research purpose only",
        files=(
            ReleasedFile(
                name="wacv_gcanet_dehaze.pth",
                about="RESIDE ITS",
                page="https://github.com/cddlyf/GCANet",
                size=2_824_156,
                sha256="960c0967d848b569aeb253f5573509dc9fdbcbc683b204b5fe3e0876649f68fa",
            ),
        ),
        summary="Smoothed dilated convolutions, told the edges of the image, mixed over three depths by a gate.",
    ),
    NetworkCard(
        name="griddehazenet",
        target="models.networks.griddehazenet.network:GridDehazeNet",
        title="GridDehazeNet",
        paper="GridDehazeNet: Attention-Based Multi-Scale Network for Image Dehazing, Liu et al., ICCV 2019",
        year=2019,
        url="https://arxiv.org/abs/1908.03245",
        half=("fp16",),
        tasks=("hazy",),
        weights_licence="MIT by a badge on the authors' page",
        files=(
            ReleasedFile(
                name="indoor_haze_best_3_6", about="RESIDE ITS", page="https://github.com/proteus1991/GridDehazeNet"
            ),
            ReleasedFile(
                name="outdoor_haze_best_3_6", about="RESIDE OTS", page="https://github.com/proteus1991/GridDehazeNet"
            ),
        ),
        summary="Dense blocks on a grid of three scales, whose rows and columns meet with learned weights.",
    ),
    dehazeformer("t", "DehazeFormerT"),
    dehazeformer("s", "DehazeFormerS"),
    dehazeformer("b", "DehazeFormer"),
)
