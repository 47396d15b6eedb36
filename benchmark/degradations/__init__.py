"""The catalogue of degradation operations: what each one simulates and how its result becomes 8 bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.catalogue import Catalogue


@dataclass(frozen=True)
class DegradationCard:
    """What a degradation operation declares about itself.

    Arguments:
        name: Name of the operation in specs, e.g. `"noise"` in `noise(sigma=50)`.
        target: "module:function"; the function takes `(image, generator, *, parameters)` and returns the degraded
            image, both with shape `(H, W, 3)`, float32 RGB in [0, 1].
        degradation: Which of the ten types it makes.
        summary: What it does, in a few words.
        model: The image-formation model in one line.
        rounding: How the float result becomes 8 bit: `"truncate"` or `"round"`.
    """

    name: str
    target: str
    degradation: str
    summary: str
    model: str
    rounding: Literal["truncate", "round"] = "round"


OPERATIONS = Catalogue[DegradationCard](
    "degradation operation",
    [
        DegradationCard(
            name="blur",
            target="benchmark.degradations.blur:blur",
            degradation="motion-blurry",
            summary="motion blur of a shaken camera along a curved path",
            model="I^g = k * J^g, k the path of the camera during the exposure, g the gamma of the averaging",
        ),
        DegradationCard(
            name="haze",
            target="benchmark.degradations.haze:haze",
            degradation="hazy",
            summary="atmospheric scattering over a plausible depth map",
            model="I = J t + A (1 - t), t = exp(-beta d)",
        ),
        DegradationCard(
            name="jpeg",
            target="benchmark.degradations.jpeg:jpeg",
            degradation="jpeg-compressed",
            summary="baseline JPEG with 4:2:0 chroma",
            model="I = decode(encode(J, quality))",
        ),
        DegradationCard(
            name="lowlight",
            target="benchmark.degradations.lowlight:lowlight",
            degradation="low-light",
            summary="short exposure with photon and read noise",
            model="I = ((Poisson(e c J^g) + N(0, r^2)) / c)^(1/g), e the exposure, c electrons at full scale",
        ),
        DegradationCard(
            name="noise",
            target="benchmark.degradations.noise:noise",
            degradation="noisy",
            summary="additive white Gaussian noise",
            model="I = clip(J + N(0, (sigma / 255)^2))",
            rounding="truncate",
        ),
        DegradationCard(
            name="raindrop",
            target="benchmark.degradations.raindrop:raindrop",
            degradation="raindrop",
            summary="out-of-focus drops on the lens that show the scene upside down",
            model="I = (1 - M) J + M R, R the scene refracted and defocused by the drops",
        ),
        DegradationCard(
            name="rain",
            target="benchmark.degradations.rain:rain",
            degradation="rainy",
            summary="dense bright rain streaks in several layers",
            model="I = clip(J + sum of streak layers)",
        ),
        DegradationCard(
            name="shadow",
            target="benchmark.degradations.shadow:shadow",
            degradation="shadowed",
            summary="a cast shadow with a soft edge and a bluish tint",
            model="I^g = (1 - M) J^g + M (a_c J^g + b), a_c per channel",
        ),
        DegradationCard(
            name="snow",
            target="benchmark.degradations.snow:snow",
            degradation="snowy",
            summary="falling flakes of several sizes, transparencies and speeds",
            model="I = (1 - M) J + M S, S nearly white, M from particle layers",
        ),
        DegradationCard(
            name="mask",
            target="benchmark.degradations.mask:mask",
            degradation="uncompleted",
            summary="white holes along thin brush strokes",
            model="I = M J + (1 - M), M = 1 where the pixel is kept",
        ),
    ],
)
"""The operations in the paper's order of the ten types."""
