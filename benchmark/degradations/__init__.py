"""The catalogue of degradation operations: what each one simulates and how its result becomes 8 bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.catalogue import Catalogue

Rounding = Literal["truncate", "round", "keep"]


@dataclass(frozen=True)
class DegradationCard:
    """What a degradation operation declares about itself.

    Arguments:
        name: Name of the operation in specs, e.g. `"noise"` in `noise(sigma=50)`.
        target: "module:function"; the function takes `(image, generator, *, parameters)` and returns the degraded
            image, both with shape `(H, W, 3)`, float32 RGB in [0, 1].
        summary: What it does, in a few words.
        model: The image-formation model in one line.
        degradation: Which of the ten types it makes; None for the operations of the follow-up paper.
        words: The words that the follow-up paper has for its result.
        rounding: How the float result becomes 8 bit: `"truncate"`, `"round"`, or `"keep"`: it stays float, and the next
            step or the end of the pipeline rounds.
        unbounded: It takes an image that leaves [0, 1] a little, as filters with negative weights make it.
        takes_size: The function takes the (height, width) with which the pipeline began as its third argument.
        macro: It stands for steps that are drawn at random; the function takes `(generator, *, parameters)` and returns
            them.
    """

    name: str
    target: str
    summary: str
    model: str
    degradation: str | None = None
    words: tuple[str, ...] = ()
    rounding: Rounding = "round"
    unbounded: bool = False
    takes_size: bool = False
    macro: bool = False


OPERATIONS = Catalogue[DegradationCard](
    "degradation operation",
    [
        DegradationCard(
            name="blur",
            target="benchmark.degradations.blur:blur",
            degradation="motion-blurry",
            words=("blur",),
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
            words=("jpeg block",),
            summary="baseline JPEG with 4:2:0 chroma",
            model="I = decode(encode(J, quality))",
            unbounded=True,
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
            words=("noise",),
            summary="additive white Gaussian noise",
            model="I = clip(J + N(0, (sigma / 255)^2))",
            rounding="truncate",
            unbounded=True,
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
        DegradationCard(
            name="wild",
            target="benchmark.degradations.wild:wild",
            words=("blur", "ringing artifact", "noise", "jpeg block"),
            summary="the random pipeline of the follow-up paper: blur, resizing, noise and JPEG in three stages",
            model="I = D_n(... D_1(J)), the steps D_i drawn at random for each image",
            macro=True,
        ),
        DegradationCard(
            name="kernel_blur",
            target="benchmark.degradations.kernel_blur:kernel_blur",
            words=("blur",),
            summary="blur by a kernel: Gaussian, generalised Gaussian, plateau, defocus, box, line or a measured one",
            model="I = k * J",
            rounding="keep",
            unbounded=True,
        ),
        DegradationCard(
            name="sinc",
            target="benchmark.degradations.sinc:sinc",
            words=("blur", "ringing artifact"),
            summary="circular low-pass filter that rings at edges",
            model="I = k * J, k(r) = w J1(w r) / (2 pi r), w the cut-off",
            rounding="keep",
            unbounded=True,
        ),
        DegradationCard(
            name="deconvolve",
            target="benchmark.degradations.deconvolve:deconvolve",
            words=("blur", "ringing artifact"),
            summary="blur by a kernel and sharpening with the same kernel, with the ringing that it leaves",
            model="I = b B + (1 - b) W(B), B = k * J, W the Wiener filter of k",
            rounding="keep",
            unbounded=True,
        ),
        DegradationCard(
            name="resize",
            target="benchmark.degradations.resize:resize",
            words=("blur",),
            summary="a smaller or larger image, and back to the size at the start",
            model="I = interpolate(J, scale)",
            rounding="keep",
            unbounded=True,
            takes_size=True,
        ),
        DegradationCard(
            name="poisson",
            target="benchmark.degradations.poisson:poisson",
            words=("noise",),
            summary="photon noise, in colour or grey",
            model="I = clip(J + s (Poisson(n J) / n - J)), n the levels in the image rounded up to a power of two",
            unbounded=True,
        ),
        DegradationCard(
            name="under_display",
            target="benchmark.degradations.under_display:under_display",
            summary="diffraction of a camera under a display, from measured point spread functions",
            model="I = b (k_c * J_c) + (1 - b) J, k_c the point spread function of channel c",
            rounding="keep",
            unbounded=True,
        ),
        DegradationCard(
            name="quantize",
            target="benchmark.degradations.quantize:quantize",
            summary="storage in 8 bits; it ends the wild pipeline",
            model="I = round(255 clip(J)) / 255",
            unbounded=True,
        ),
    ],
)
"""The operations: one for each of the ten types in the paper's order, then those of the follow-up paper."""
