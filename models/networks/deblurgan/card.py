"""The card of DeblurGAN."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="deblurgan",
        target="models.networks.deblurgan.network:DeblurGan",
        title="DeblurGAN",
        paper="DeblurGAN: Blind Motion Deblurring Using Conditional Adversarial Networks, Kupyn et al., CVPR 2018",
        year=2018,
        url="https://arxiv.org/abs/1711.07064",
        multiple_of=4,
        minimum_size=8,
        tasks=("motion-blurry",),
        weights_licence="BSD",
        files=(ReleasedFile(name="latest_net_G.pth", about="GoPro", page="https://github.com/KupynOrest/DeblurGAN"),),
        rounding="truncate",
        summary="A residual generator with instance normalisation, trained against a critic.",
    ),
)
