"""The card of GCANet."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

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
)
