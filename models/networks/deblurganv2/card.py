"""The cards of DeblurGANv2."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="deblurganv2-inception",
        target="models.networks.deblurganv2.network:DeblurGanV2Inception",
        title="DeblurGANv2 (Inception)",
        paper="DeblurGAN-v2: Deblurring (Orders-of-Magnitude) Faster and Better, Kupyn et al., ICCV 2019",
        year=2019,
        url="https://arxiv.org/abs/1908.03826",
        multiple_of=32,
        minimum_size=128,
        padding="grey",
        pad_always=True,
        tiles="no",
        tasks=("motion-blurry",),
        weights_licence="BSD",
        files=(
            ReleasedFile(
                name="fpn_inception.h5", about="GoPro, DVD and NFS", page="https://github.com/VITA-Group/DeblurGANv2"
            ),
        ),
        nesting=("model",),
        rounding="truncate",
        summary="A feature pyramid over Inception-ResNet-v2, normalised by the image itself.",
    ),
    NetworkCard(
        name="deblurganv2-mobilenet",
        target="models.networks.deblurganv2.network:DeblurGanV2MobileNet",
        title="DeblurGANv2 (MobileNet)",
        paper="DeblurGAN-v2: Deblurring (Orders-of-Magnitude) Faster and Better, Kupyn et al., ICCV 2019",
        year=2019,
        url="https://arxiv.org/abs/1908.03826",
        multiple_of=32,
        minimum_size=64,
        padding="grey",
        pad_always=True,
        tiles="no",
        tasks=("motion-blurry",),
        weights_licence="BSD",
        files=(
            ReleasedFile(
                name="fpn_mobilenet.h5", about="GoPro, DVD and NFS", page="https://github.com/VITA-Group/DeblurGANv2"
            ),
        ),
        nesting=("model",),
        rounding="truncate",
        summary="A feature pyramid over MobileNetV2, normalised by the image itself.",
    ),
)
