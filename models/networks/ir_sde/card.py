"""The cards of IR-SDE and its variants with DA-CLIP."""

from __future__ import annotations

from models.networks.card import NetworkCard

_DACLIP = "Controlling Vision-Language Models for Multi-Task Image Restoration, Luo et al., ICLR 2024"


CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="ir-sde",
        target="models.networks.ir_sde.network:PlainUNet",
        title="IR-SDE",
        paper="Image Restoration with Mean-Reverting Stochastic Differential Equations, Luo et al., ICML 2023",
        year=2023,
        url="https://arxiv.org/abs/2301.11699",
        weights_licence="MIT",
        sampler=True,
        summary="A U-Net that undoes a diffusion from the clean to the degraded image, told nothing else.",
    ),
    NetworkCard(
        name="ir-sde-daclip",
        target="models.networks.ir_sde.network:ConditionalUNet",
        title="IR-SDE + DA-CLIP",
        paper=_DACLIP,
        year=2024,
        url="https://arxiv.org/abs/2310.01018",
        conditioning="degradation+content",
        weights_licence="MIT",
        sampler=True,
        summary="IR-SDE with a prompt picked by the degradation embedding and attention to the content embedding.",
    ),
    NetworkCard(
        name="wild-ir",
        target="models.networks.ir_sde.network:WildUNet",
        title="Wild-IR",
        paper="Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models, Luo et al., "
        "CVPR Workshops 2024",
        year=2024,
        url="https://arxiv.org/abs/2404.09732",
        conditioning="content",
        weights_licence="MIT",
        sampler=True,
        summary="IR-SDE at half resolution, told the content only, for mixed and unknown degradations.",
    ),
)
