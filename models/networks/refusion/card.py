"""The card of Refusion."""

from __future__ import annotations

from models.networks.card import NetworkCard

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="refusion",
        target="models.networks.refusion.network:Refusion",
        title="Refusion",
        paper="Refusion: Enabling Large-Size Realistic Image Restoration with Latent-Space Diffusion Models, "
        "Luo et al., CVPR Workshops 2023",
        year=2023,
        url="https://arxiv.org/abs/2304.08291",
        weights_licence="MIT",
        sampler=True,
        summary="The SDE of IR-SDE with a NAFNet that is told the time, lighter than the U-Net.",
    ),
)
