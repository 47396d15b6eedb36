"""The cards of NAFNet and its variants with local pooling and DA-CLIP."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

_DACLIP = "Controlling Vision-Language Models for Multi-Task Image Restoration, Luo et al., ICLR 2024"


CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="nafnet",
        target="models.networks.nafnet.network:NAFNet",
        title="NAFNet",
        paper="Simple Baselines for Image Restoration, Chen et al., ECCV 2022",
        year=2022,
        url="https://arxiv.org/abs/2204.04676",
        multiple_of=16,
        padding="zero",
        weights_licence="MIT",
        files=(
            ReleasedFile(name="NAFNet-GoPro-width32.pth", about="GoPro"),
            ReleasedFile(name="NAFNet-GoPro-width64.pth", about="GoPro"),
            ReleasedFile(name="NAFNet-REDS-width64.pth", about="REDS"),
            ReleasedFile(name="NAFNet-SIDD-width32.pth", about="SIDD"),
            ReleasedFile(name="NAFNet-SIDD-width64.pth", about="SIDD"),
        ),
        nesting=("params",),
        summary="A U-Net of blocks without activation functions, told nothing about the degradation.",
    ),
    NetworkCard(
        name="nafnet-local",
        same_weights_as="nafnet",
        target="models.networks.nafnet.local:NAFNetLocal",
        title="NAFNet (local)",
        paper="Improving Image Restoration by Revisiting Global Information Aggregation, Chu et al., ECCV 2022",
        year=2022,
        url="https://arxiv.org/abs/2112.04491",
        multiple_of=16,
        padding="zero",
        weights_licence="MIT",
        files=(
            ReleasedFile(name="NAFNet-GoPro-width32.pth", about="GoPro"),
            ReleasedFile(name="NAFNet-GoPro-width64.pth", about="GoPro"),
            ReleasedFile(name="NAFNet-REDS-width64.pth", about="REDS"),
        ),
        nesting=("params",),
        summary="NAFNet tested as on GoPro: it averages over windows like its training patches, not over the image.",
    ),
    NetworkCard(
        name="nafnet-degradation",
        target="models.networks.nafnet.conditional:DegradationNAFNet",
        title="NAFNet + Degradation",
        paper=_DACLIP,
        year=2024,
        url="https://arxiv.org/abs/2310.01018",
        conditioning="degradation",
        multiple_of=16,
        padding="zero",
        weights_licence="none released",
        summary="NAFNet whose blocks are modulated by a prompt picked by DA-CLIP's degradation embedding.",
    ),
    NetworkCard(
        name="nafnet-daclip",
        target="models.networks.nafnet.conditional:ConditionalNAFNet",
        title="NAFNet + DA-CLIP",
        paper=_DACLIP,
        year=2024,
        url="https://arxiv.org/abs/2310.01018",
        conditioning="degradation+content",
        multiple_of=16,
        padding="zero",
        weights_licence="none released",
        summary="NAFNet + Degradation with attention to DA-CLIP's content embedding in its deepest blocks.",
    ),
)
