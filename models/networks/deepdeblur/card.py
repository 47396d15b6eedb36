"""The card of DeepDeblur."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="deepdeblur",
        target="models.networks.deepdeblur.network:DeepDeblur",
        title="DeepDeblur",
        paper="Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring, Nah et al., CVPR 2017",
        year=2017,
        url="https://arxiv.org/abs/1612.02177",
        multiple_of=4,
        padding="edge",
        tasks=("motion-blurry",),
        weights_licence="MIT",
        files=(
            ReleasedFile(name="model-1000.pt", about="GoPro", page="https://github.com/SeungjunNah/DeepDeblur-PyTorch"),
            ReleasedFile(name="model-200.pt", about="REDS", page="https://github.com/SeungjunNah/DeepDeblur-PyTorch"),
        ),
        nesting=("G",),
        summary="Residual networks at three scales, coarse to fine, without normalisation.",
    ),
)
