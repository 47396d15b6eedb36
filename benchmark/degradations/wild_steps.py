"""How the wild pipeline draws each of its steps, with the numbers of the official code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from benchmark.degradations.kernels.kinds import KINDS, Kernel
from benchmark.degradations.kernels.stored import stored_kernels
from benchmark.degradations.resize import INTERPOLATIONS
from benchmark.degradations.sinc import cutoffs
from benchmark.degradations.specs.grammar import Step, Value
from benchmark.degradations.specs.parameters import side

DIGITS = 4  # decimals of a drawn value: readable, and finer than any effect
DECONVOLVED = 0.1  # share of the kernels under 8 pixels that is followed by a deconvolution
BLENDED = 0.1  # share of the deconvolutions that is mixed with the blurred image
DISPLAY = 0.2  # probability of an under-display camera where there is no blur
GAUSSIAN, POISSON, GREY = 0.6, 0.4, 0.4


class StepDraw:
    """Draws steps for one image, all from one generator.

    Arguments:
        generator: Source of randomness.
        psf_file: File of measured blur kernels; None leaves their kind out.
        display_file: File of point spread functions of under-display cameras; None leaves them out.

    Raises:
        UserError: A file cannot be read.
    """

    def __init__(self, generator: np.random.Generator, *, psf_file: str | None, display_file: str | None) -> None:
        self.generator = generator
        self.psf_file = psf_file
        self.display_file = display_file
        # Whether the files are there does not depend on what is drawn, so neither does the message.
        self.displays = 0 if display_file is None else len(stored_kernels(display_file, channels=True))
        if psf_file is not None:
            stored_kernels(psf_file)

    def happens(self, probability: float) -> bool:
        """Return True with this probability."""
        return bool(self.generator.uniform() < probability)

    def shuffled(self, *names: str) -> list[str]:
        """Return the names in random order."""
        return [names[i] for i in self.generator.permutation(len(names))]

    def blur(self, largest: int, sinc: float, sigmas: tuple[float, float]) -> list[Step]:
        """Draw a sinc filter, a kernel, or a kernel with deconvolution.

        Arguments:
            largest: Largest side of a kernel.
            sinc: Probability of the sinc filter.
            sigmas: The interval of the standard deviations in pixels.
        """
        size = side("size", None, self.generator, largest=largest)
        if self.happens(sinc):
            return [Step("sinc", (("size", size), ("cutoff", self._between(*cutoffs(size)))))]
        kernel = self._kernel(size, sigmas)
        arguments: list[tuple[str, Value]] = [
            (field.name, round(value, DIGITS) if isinstance(value, float) else value)
            for field in fields(kernel)
            if (value := getattr(kernel, field.name)) is not None and (field.name, value) != ("jitter", 0)
        ]
        if not (self.happens(DECONVOLVED) and size < 8):
            return [Step("kernel_blur", tuple(arguments))]
        if self.happens(BLENDED):
            arguments.append(("blend", self._between(0.1, 0.5)))
        return [Step("deconvolve", tuple(arguments))]

    def display(self) -> list[Step]:
        """Draw an under-display camera, or nothing."""
        if not self.happens(DISPLAY) or self.display_file is None:
            return []
        index = int(self.generator.integers(self.displays))
        blend = self._between(0.1, 0.5)
        return [Step("under_display", (("file", self.display_file), ("index", index), ("blend", blend)))]

    def resize(self) -> list[Step]:
        """Draw a smaller or larger size: the sides divided by 0.5 to 1.4."""
        scale = round(1 / float(self.generator.uniform(0.5, 1.4)), DIGITS)
        return [Step("resize", (("scale", scale), ("interpolation", self._one_of(list(INTERPOLATIONS)))))]

    def restore(self) -> list[Step]:
        """Draw how the image gets its size back."""
        return [Step("resize", (("restore", True), ("interpolation", self._one_of(list(INTERPOLATIONS)))))]

    def noise(self) -> list[Step]:
        """Draw Gaussian noise and, independently, Poisson noise.

        In 24 percent of the cases neither comes: the official code then rounds to 8 bits all the same and lists the
        word 'noise', and so does the step with sigma 0.
        """
        gaussian, poisson = self.happens(GAUSSIAN), self.happens(POISSON)
        steps: list[Step] = []
        if gaussian or not poisson:
            arguments: list[tuple[str, Value]] = [("sigma", self._between(1, 5) if gaussian else 0)]
            if gaussian and self.happens(GREY):
                arguments.append(("grey", True))
            # One storage for both: what Poisson noise is added to has not been rounded yet.
            arguments.append(("rounding", "keep" if poisson else "round"))
            steps.append(Step("noise", tuple(arguments)))
        if poisson:
            grey = (("grey", True),) if self.happens(GREY) else ()
            steps.append(Step("poisson", (("scale", self._between(0.01, 0.5)), *grey)))
        return steps

    def jpeg(self, low: int, high: int) -> list[Step]:
        """Draw a JPEG quality from `low` to `high` - 1: the official code cuts the fraction off."""
        return [Step("jpeg", (("quality", int(self.generator.integers(low, high))),))]

    def _kernel(self, size: int, sigmas: tuple[float, float]) -> Kernel:
        shares = {name: kind.probability for name, kind in KINDS.items() if name != "psf" or self.psf_file is not None}
        total = sum(shares.values())
        kind = list(shares)[int(self.generator.choice(len(shares), p=[share / total for share in shares.values()]))]
        if kind == "psf":
            return Kernel(kind, file=self.psf_file).complete(self.generator)
        if kind == "line" and size > 15:
            size -= 10  # a line uses the whole side, and 17 pixels of motion would be too much
        return Kernel(kind, size=size, jitter=KINDS[kind].jitter).complete(self.generator, sigmas=sigmas)

    def _between(self, low: float, high: float) -> float:
        """Return a number drawn from the interval, rounded but never out of it."""
        return min(max(round(float(self.generator.uniform(low, high)), DIGITS), low), high)

    def _one_of(self, names: Sequence[str]) -> str:
        return names[int(self.generator.integers(len(names)))]
