"""Euler steps of the reverse SDE and of its probability-flow ODE, as IR-SDE was published."""

from __future__ import annotations

from torch import Tensor

from models.diffusion.noise import NoiseSource
from models.diffusion.reverse import reverse_mean, reverse_std
from models.diffusion.samplers.contract import Step, drawn
from models.diffusion.sde import MeanRevertingSDE


class EulerSDE:
    """Euler-Maruyama steps of the reverse SDE, with noise at the last step too.

    Arguments:
        sde: The process.
        prediction: "noise".

    References:
        Image Restoration with Mean-Reverting Stochastic Differential Equations (Luo et al., 2023)
            https://arxiv.org/abs/2301.11699
    """

    def __init__(self, sde: MeanRevertingSDE, *, prediction: str = "noise") -> None:
        self._sde = sde

    def step(self, given: Step, noise: NoiseSource) -> Tensor:
        """Return the state at `given.earlier`; both times are whole steps."""
        time, earlier = int(given.time), int(given.earlier)
        score = self._sde.score(given.predicted, time)
        mean = reverse_mean(self._sde, given.state, given.degraded, score, time, earlier=earlier)
        # The published sign: the noise is subtracted.
        return mean - reverse_std(self._sde, time, earlier=earlier) * drawn(noise, given.state)


class EulerODE:
    """Euler steps of the probability-flow ODE.

    Arguments:
        sde: The process.
        prediction: "noise".

    References:
        Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021)
            https://arxiv.org/abs/2011.13456
    """

    def __init__(self, sde: MeanRevertingSDE, *, prediction: str = "noise") -> None:
        self._sde = sde

    def step(self, given: Step, noise: NoiseSource) -> Tensor:
        """Return the state at `given.earlier`; both times are whole steps."""
        time, earlier = int(given.time), int(given.earlier)
        score = self._sde.score(given.predicted, time)
        return reverse_mean(self._sde, given.state, given.degraded, score, time, earlier=earlier, deterministic=True)
