"""The kinds of blur kernels: which parameters each has, how missing ones are drawn, and how it is made."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from benchmark.degradations.kernels.shapes import (
    box_kernel,
    defocus_kernel,
    gaussian_kernel,
    line_kernel,
    plateau_kernel,
)
from benchmark.degradations.kernels.stored import stored_kernels
from benchmark.degradations.specs.parameters import choice, integer, number, side
from models.errors import UserError


@dataclass(frozen=True)
class Kind:
    """One kind of kernel.

    Arguments:
        probability: How often the follow-up paper's random blur takes it.
        parameters: The parameters that it has.
        jitter: How far that blur multiplies the elements by random numbers: 0.1 for 0.9 to 1.1.
    """

    probability: float
    parameters: tuple[str, ...]
    jitter: float | None = None


KINDS = {
    "iso": Kind(0.35, ("size", "sigma_x", "jitter"), jitter=0.1),
    "aniso": Kind(0.20, ("size", "sigma_x", "sigma_y", "angle", "jitter"), jitter=0.1),
    "generalized-iso": Kind(0.10, ("size", "sigma_x", "beta", "jitter"), jitter=0.1),
    "generalized-aniso": Kind(0.03, ("size", "sigma_x", "sigma_y", "angle", "beta", "jitter"), jitter=0.1),
    "plateau-iso": Kind(0.10, ("size", "sigma_x", "beta", "jitter")),
    "plateau-aniso": Kind(0.03, ("size", "sigma_x", "sigma_y", "angle", "beta", "jitter")),
    "defocus": Kind(0.10, ("size",)),
    "box": Kind(0.03, ("size",)),
    "line": Kind(0.03, ("size", "angle")),
    "psf": Kind(0.03, ("file", "index")),
}
"""The kinds with the probabilities of the official random blur; `psf` is a measured kernel from a user's file."""


@dataclass(frozen=True)
class Kernel:
    """A kind of kernel and the parameters that are known of it; None is drawn by `complete` where the kind has it.

    Arguments:
        kind: One of `KINDS`.
        size: Side in pixels, odd, 3 to 99; drawn from 5 to 19.
        sigma_x: Standard deviation along the first axis in pixels, 0.1 to 50; drawn from 0.2 to 2.2.
        sigma_y: The same along the second axis.
        angle: Turn of the axes, or direction of the line, in degrees, -180 to 180; drawn from all.
        beta: Shape, 0.1 to 10. Drawn for generalised Gaussians from 0.5 to 1 or from 1 to 2, half each; for plateaus it
            is 1 in one half and drawn from 1 to 1.5 in the other.
        jitter: Each element is multiplied by a random number from 1 - jitter to 1 + jitter; 0 to 0.5, 0 by default.
        file: File of measured kernels, see `stored_kernels`.
        index: Which of them; drawn from all.
    """

    kind: str
    size: int | None = None
    sigma_x: float | None = None
    sigma_y: float | None = None
    angle: float | None = None
    beta: float | None = None
    jitter: float | None = None
    file: str | None = None
    index: int | None = None

    def complete(
        self, generator: np.random.Generator, *, largest: int = 19, sigmas: tuple[float, float] = (0.2, 2.2)
    ) -> Kernel:
        """Check what is given and draw what is missing.

        Arguments:
            generator: Source of randomness.
            largest: Largest side that is drawn.
            sigmas: The interval from which standard deviations are drawn.

        Returns:
            A kernel with a value for every parameter of its kind and None for the others.

        Raises:
            UserError: A parameter is out of range, or the kind does not have it.
        """
        choice("kind", self.kind, generator, allowed=tuple(KINDS))
        known = KINDS[self.kind].parameters
        for field in fields(self)[1:]:
            if getattr(self, field.name) is not None and field.name not in known:
                raise UserError(f"a kernel of kind {self.kind!r} has no {field.name}, only {', '.join(known)}")
        if self.kind == "psf":
            last = len(stored_kernels(self.file)) - 1
            return replace(self, index=integer("index", self.index, generator, allowed=(0, last), drawn=(0, last)))
        done = replace(self, size=side("size", self.size, generator, largest=largest))
        if "sigma_x" in known:
            sigma = number("sigma_x", self.sigma_x, generator, allowed=(0.1, 50), drawn=sigmas)
            jitter = number("jitter", self.jitter, generator, allowed=(0, 0.5), drawn=(0, 0))
            done = replace(done, sigma_x=sigma, jitter=jitter)
        if "sigma_y" in known:
            done = replace(done, sigma_y=number("sigma_y", self.sigma_y, generator, allowed=(0.1, 50), drawn=sigmas))
        if "angle" in known:
            angle = number("angle", self.angle, generator, allowed=(-180, 180), drawn=(-180, 180))
            done = replace(done, angle=angle)
        if "beta" in known:
            narrow, wide = ((1, 1), (1, 1.5)) if self.kind.startswith("plateau") else ((0.5, 1), (1, 2))
            drawn = narrow if self.beta is None and generator.uniform() < 0.5 else wide
            done = replace(done, beta=number("beta", self.beta, generator, allowed=(0.1, 10), drawn=drawn))
        return done

    def array(self, generator: np.random.Generator) -> np.ndarray:
        """Return a complete kernel as numbers, with shape `(K, K)`, K odd, float64, summing to 1.

        Arguments:
            generator: Source of randomness of the jitter.
        """
        if self.kind == "psf":
            return stored_kernels(self.file)[self.index or 0]
        size, angle = self.size or 3, self.angle or 0.0
        if self.kind in ("defocus", "box"):
            return defocus_kernel(size=size) if self.kind == "defocus" else box_kernel(size=size)
        if self.kind == "line":
            return line_kernel(size=size, angle=angle)
        sigma_x = self.sigma_x or 1.0
        sigma_y, beta = self.sigma_y or sigma_x, self.beta or 1.0
        formula = plateau_kernel if self.kind.startswith("plateau") else gaussian_kernel
        kernel = formula(size=size, sigma_x=sigma_x, sigma_y=sigma_y, angle=angle, beta=beta)
        if self.jitter:
            kernel = kernel * generator.uniform(1 - self.jitter, 1 + self.jitter, size=kernel.shape)
        return kernel / kernel.sum()
