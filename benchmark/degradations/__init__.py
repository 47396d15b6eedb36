"""The catalogue of degradation operations, one a type of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.catalogue import Catalogue


@dataclass(frozen=True)
class DegradationCard:
    """What an operation declares about itself.

    Arguments:
        name: Name in specs, e.g. `noise` in `noise(sigma=50)`.
        target: "module:function" of the operation.
        degradation: The type that it makes.
        summary: What it does.
        model: The image-formation model, J being the clean image.
        reference: Where the model comes from.
        rounding: How the result becomes 8 bits.
    """

    name: str
    target: str
    degradation: str
    summary: str
    model: str
    reference: str
    rounding: Literal["round", "truncate"] = "round"

    @property
    def default(self) -> str:
        """The spec with which the type is synthesised."""
        return {"jpeg": "jpeg(quality=10)", "noise": "noise(sigma=50)"}.get(self.name, f"{self.name}()")


def _card(name: str, degradation: str, summary: str, model: str, reference: str, rounding="round") -> DegradationCard:
    target = f"benchmark.degradations.{name}:{name}"
    return DegradationCard(name, target, degradation, summary, model, reference, rounding)


OPERATIONS = Catalogue[DegradationCard](
    "degradation operation",
    [
        _card(
            "blur",
            "motion-blurry",
            "camera shake along a curved path, averaged in linear light",
            "I = g(mean over time of g^-1(J) moved along a path)",
            "Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring (Nah et al., CVPR 2017)",
        ),
        _card(
            "haze",
            "hazy",
            "atmospheric scattering over a depth map made from the image",
            "I = J t + A (1 - t), t = exp(-beta d)",
            "Benchmarking Single-Image Dehazing and Beyond (Li et al., TIP 2019)",
        ),
        _card(
            "jpeg",
            "jpeg-compressed",
            "JPEG compression with 4:2:0 chroma",
            "I = decode(encode(J, quality))",
            "Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., ICLR 2024)",
        ),
        _card(
            "lowlight",
            "low-light",
            "short exposure with shot and read noise",
            "I = g(Poisson-Gaussian(exposure g^-1(J)))",
            "Unprocessing Images for Learned Raw Denoising (Brooks et al., CVPR 2019)",
        ),
        _card(
            "noise",
            "noisy",
            "additive white Gaussian noise, clipped and truncated to 8 bits",
            "I = clip(J + N(0, sigma^2))",
            "Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., ICLR 2024)",
            "truncate",
        ),
        _card(
            "raindrop",
            "raindrop",
            "drops on the lens that show a blurred, upside-down background",
            "I = (1 - M) J + M R",
            "Attentive Generative Adversarial Network for Raindrop Removal (Qian et al., CVPR 2018)",
        ),
        _card(
            "rain",
            "rainy",
            "dense rain streaks in layers of different direction",
            "I = clip(J + sum of streak layers)",
            "Deep Joint Rain Detection and Removal from a Single Image (Yang et al., CVPR 2017)",
        ),
        _card(
            "shadow",
            "shadowed",
            "a soft-edged cast shadow, slightly blue",
            "I = (1 - m) J + m a J, a per channel",
            "Shadow Removal via Shadow Image Decomposition (Le and Samaras, ICCV 2019)",
        ),
        _card(
            "snow",
            "snowy",
            "flakes of three sizes, translucent and drifting",
            "I = (1 - z) J + z S",
            "DesnowNet: Context-Aware Deep Network for Snow Removal (Liu et al., TIP 2018)",
        ),
        _card(
            "mask",
            "uncompleted",
            "thin brush strokes to be inpainted, painted white",
            "I = m J + (1 - m)",
            "RePaint: Inpainting using Denoising Diffusion Probabilistic Models (Lugmayr et al., CVPR 2022)",
        ),
    ],
)

DEFAULT_SPECS = {card.degradation: card.default for card in OPERATIONS.values()}
"""The spec with which each of the ten types is synthesised."""
