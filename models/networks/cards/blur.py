"""Networks for motion blur: DeepDeblur, DeblurGAN and DeblurGANv2."""

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
