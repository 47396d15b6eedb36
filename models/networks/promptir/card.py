"""The card of PromptIR."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

_LICENCE = "Academic Public License (non-commercial)"


CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="promptir",
        target="models.networks.promptir.network:PromptIR",
        title="PromptIR",
        paper="PromptIR: Prompting for All-in-One Blind Image Restoration, Potlapalli et al., NeurIPS 2023",
        year=2023,
        url="https://arxiv.org/abs/2306.13090",
        multiple_of=8,
        # Its attention between channels sums over the whole image, and its prompts are stretched to it.
        tiles="close",
        half=("bf16", "fp16"),
        weights_licence=_LICENCE,
        files=(
            ReleasedFile(
                name="model.ckpt",
                about="noise, rain and haze at once",
                page="https://github.com/va1shn9v/PromptIR/releases/download/v1.0/model.ckpt",
            ),
        ),
        nesting=("state_dict",),
        summary="Restormer with learned prompts that its decoder mixes by what it sees; told nothing.",
    ),
)
