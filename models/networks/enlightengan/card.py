"""The card of EnlightenGAN."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="enlightengan",
        target="models.networks.enlightengan.network:EnlightenGAN",
        title="EnlightenGAN",
        paper="EnlightenGAN: Deep Light Enhancement without Paired Supervision, Jiang et al., IEEE TIP 2021",
        year=2019,
        url="https://arxiv.org/abs/1906.06972",
        multiple_of=16,
        pad_sides="both",
        # Up to a width of 2200 pixels: wider images are halved, as in the published code, and their tiles are not.
        reach=137,
        tiles="exact",
        half=("bf16",),
        tasks=("low-light",),
        weights_licence="BSD-2-Clause style",
        files=(
            ReleasedFile(
                name="200_net_G_A.pth",
                about="unpaired photos, low and normal light",
                page="https://drive.google.com/file/d/1AkV-n2MdyfuZTFvcon8Z4leyVb0i7x63",
            ),
        ),
        rounding="truncate",
        summary="A U-Net trained without pairs that works hardest where the image is dark.",
    ),
)
