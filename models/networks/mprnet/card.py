"""The card of MPRNet."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="mprnet",
        target="models.networks.mprnet.network:MPRNet",
        title="MPRNet",
        paper="Multi-Stage Progressive Image Restoration, Zamir et al., CVPR 2021",
        year=2021,
        url="https://arxiv.org/abs/2102.02808",
        multiple_of=8,
        # It cuts the image into patches itself, and its channel attention averages over them.
        tiles="close",
        tasks=("motion-blurry", "noisy", "rainy"),
        weights_licence="Academic Public License (non-commercial)",
        files=tuple(
            ReleasedFile(name=name, about=about, page="https://github.com/swz30/MPRNet")
            for name, about in (
                ("model_deraining.pth", "rain of several sets"),
                ("model_denoising.pth", "SIDD (camera noise)"),
                ("model_deblurring.pth", "GoPro (motion blur)"),
            )
        ),
        nesting=("state_dict",),
        summary="Three stages on ever larger patches; each passes a restored image and weighted features on.",
    ),
)
