"""The card of MIRNet."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="mirnet",
        target="models.networks.mirnet.network:MIRNet",
        title="MIRNet",
        paper="Learning Enriched Features for Real Image Restoration and Enhancement, Zamir et al., ECCV 2020",
        year=2020,
        url="https://arxiv.org/abs/2003.06792",
        multiple_of=4,
        # Its channel attention averages over the whole image.
        tiles="close",
        half=("bf16",),
        tasks=("low-light", "noisy"),
        weights_licence="Academic Public License (non-commercial)",
        files=tuple(
            ReleasedFile(name=name, about=about, page="https://github.com/swz30/MIRNet")
            for name, about in (
                ("model_lol.pth", "LOL (low light)"),
                ("model_fivek.pth", "MIT-Adobe FiveK (retouching)"),
                ("model_denoising.pth", "SIDD (camera noise)"),
            )
        ),
        nesting=("state_dict",),
        summary="Streams at three resolutions side by side that exchange what they see.",
    ),
)
