"""The wild pipeline: the random mixture of blur, resizing, noise and JPEG that the follow-up paper trains on."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.specs.grammar import Step
from benchmark.degradations.specs.parameters import number
from benchmark.degradations.wild_steps import StepDraw

# Of each stage: largest side of a kernel, probability of the sinc filter, standard deviations in pixels.
FIRST = (19, 0.1, (0.2, 2.2))
SECOND = (9, 0.1, (0.2, 1.5))
THIRD = (19, 0.8, (0.2, 1.0))


def wild(
    generator: np.random.Generator,
    *,
    blur_prob: float = 0.8,
    resize_prob: float = 0.8,
    noise_prob: float = 0.4,
    jpeg_prob: float = 0.4,
    psf_file: str | None = None,
    display_file: str | None = None,
) -> tuple[Step, ...]:
    """Draw the steps of the wild pipeline for one image.

    Three stages follow each other: blur, resizing, noise and JPEG; then a weaker blur and noise, with half the
    probabilities; then blur (mostly the sinc filter), resizing to the original size and a weaker JPEG. The order within
    a stage is random. One draw decides about both resizings. Where one of the first two stages draws no blur, an
    under-display camera takes its place in a fifth of the cases. Filters and resizing keep float; noise, JPEG and the
    end round to 8 bits.

    Two things need measured kernels that are not shipped. Without `psf_file` the kind `psf` leaves its 3 percent to the
    other kinds in proportion; without `display_file` the under-display camera leaves its share to no step at all, so
    that `blur_prob` stays what it says.

    Arguments:
        generator: Source of randomness.
        blur_prob: Probability of blur in the first and third stage, 0 to 1; half of it in the second.
        resize_prob: Probability of resizing, 0 to 1.
        noise_prob: Probability of noise in the first stage, 0 to 1; half of it in the second.
        jpeg_prob: Probability of JPEG in the first and third stage, 0 to 1.
        psf_file: File of measured blur kernels, see `stored_kernels`.
        display_file: File of point spread functions of under-display cameras.

    Returns:
        The steps, the last one `quantize()`.

    Raises:
        UserError: A probability is out of range, or a file cannot be read.

    References:
        Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models (Luo et al., 2024)
        https://arxiv.org/abs/2404.09732
    """
    named = {"blur_prob": blur_prob, "resize_prob": resize_prob, "noise_prob": noise_prob, "jpeg_prob": jpeg_prob}
    for name, value in named.items():
        number(name, value, generator, allowed=(0, 1), drawn=(0, 1))
    draw = StepDraw(generator, psf_file=psf_file, display_file=display_file)
    resized = draw.happens(resize_prob)
    steps: list[Step] = []
    for name in draw.shuffled("blur", "resize", "noise", "jpeg"):
        if name == "blur":
            steps += draw.blur(*FIRST) if draw.happens(blur_prob) else draw.display()
        elif name == "resize" and resized:
            steps += draw.resize()
        elif name == "noise" and draw.happens(noise_prob):
            steps += draw.noise()
        elif name == "jpeg" and draw.happens(jpeg_prob):
            steps += draw.jpeg(60, 95)
    for name in draw.shuffled("blur", "noise"):
        if name == "blur":
            steps += draw.blur(*SECOND) if draw.happens(blur_prob / 2) else draw.display()
        elif draw.happens(noise_prob / 2):
            steps += draw.noise()
    for name in draw.shuffled("blur", "resize", "jpeg"):
        if name == "blur" and draw.happens(blur_prob):
            steps += draw.blur(*THIRD)
        elif name == "resize" and resized:
            steps += draw.restore()
        elif name == "jpeg" and draw.happens(jpeg_prob):
            steps += draw.jpeg(80, 100)
    return (*steps, Step("quantize"))
