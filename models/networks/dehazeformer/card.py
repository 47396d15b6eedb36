"""The cards of DehazeFormer."""

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
    dehazeformer("t", "DehazeFormerT"),
    dehazeformer("s", "DehazeFormerS"),
    dehazeformer("b", "DehazeFormer"),
)
