"""The card of GridDehazeNet."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

CARDS: tuple[NetworkCard, ...] = (
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
)
