"""Posterior sampling: draw from the Gaussian bridge between the state and the estimated clean image."""

from __future__ import annotations

from torch import Tensor

from models.diffusion.noise import NoiseSource
from models.diffusion.reverse import optimum_state, optimum_std
from models.diffusion.samplers.contract import Step, drawn
from models.diffusion.sde import MeanRevertingSDE


class Posterior:
    """x_s ~ p(x_s | x_t, x_0) with x_0 replaced by the network's estimate, for any two steps s < t.

    The forward process is Markov and Gaussian, so between known ends it is a Gaussian bridge (`optimum_state`,
    `optimum_std`); nothing in it asks s to be t - 1, and skipping steps adds no error other than the estimate's own. At
    s = 0 it returns the estimate.

    Arguments:
        sde: The process.
        prediction: "data".

    References:
        Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models (Luo et al., 2024)
            https://arxiv.org/abs/2404.09732
    """

    def __init__(self, sde: MeanRevertingSDE, *, prediction: str = "data") -> None:
        self._sde = sde

    def step(self, given: Step, noise: NoiseSource) -> Tensor:
        """Return the state at `given.earlier`; both times are whole steps."""
        time, earlier = int(given.time), int(given.earlier)
        clean = self._sde.estimate(given.state, given.degraded, given.predicted, time)
        mean = optimum_state(self._sde, given.state, given.degraded, clean, time, earlier=earlier)
        std = optimum_std(self._sde, time, earlier=earlier)
        return mean + std * drawn(noise, given.state)
