"""The mean-reverting stochastic differential equation (IR-SDE): from a clean image to a noisy degraded one."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.diffusion.schedules import schedule as thetas_of
from models.errors import UserError

# A step t in 1..T: one for the whole batch, or one an image with shape `(B,)` or `(B, 1, 1, 1)`.
Time = int | Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanRevertingSDE:
    """The process dx = theta_t (mu - x) dt + sigma_t dw, with mu the degraded image and x_0 the clean one.

    With sigma_t^2 = 2 lambda^2 theta_t and Theta_t the sum of theta_1 .. theta_t, the state, given both images, is
    Gaussian:

        x_t ~ N(mu + (x_0 - mu) exp(-Theta_t dt), sigma_bar_t^2),   sigma_bar_t^2 = lambda^2 (1 - exp(-2 Theta_t dt))

    `dt` is chosen so that exp(-Theta_T dt) = eps: almost nothing of the clean image is left at the end.
    All tables are float32 and computed in the published order of operations, because at small t the cancellation in
    1 - exp(-x) is a visible part of what released networks were trained with.

    Arguments:
        steps: Number of steps T that the network was trained with.
        max_sigma: Noise level lambda at the end; 1 or more is in units of 8 bits (50 is 50/255), below 1 in [0, 1].
        schedule: Name of the schedule of theta.
        eps: Part of the clean image left at the end, in (0, 1).
        sample_steps: Rebuild the schedule with this number of steps; the network is then told `t * time_scale`. None
            for `steps`.

    Raises:
        UserError: A number is out of range or the schedule is unknown.

    References:
        Image Restoration with Mean-Reverting Stochastic Differential Equations (Luo et al., 2023)
            https://arxiv.org/abs/2301.11699
    """

    steps: int = 100
    max_sigma: float = 50.0
    schedule: str = "cosine"
    eps: float = 0.005
    sample_steps: int | None = None
    thetas: Tensor = field(init=False, repr=False)
    sigmas: Tensor = field(init=False, repr=False)
    cumulative: Tensor = field(init=False, repr=False)
    sigma_bars: Tensor = field(init=False, repr=False)
    dt: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the tables: `thetas`, `sigmas`, `cumulative` and `sigma_bars` with shape `(last + 1,)`, and `dt`."""
        for name, number in (("steps", self.steps), ("sample_steps", self.last)):
            if number < 1:
                raise UserError(f"the diffusion's {name} is {number}: give 1 or more")
        if not 0 < self.eps < 1:
            raise UserError(f"the diffusion's eps is {self.eps}: give a number between 0 and 1, e.g. 0.005")
        if not self.max_sigma > 0:
            raise UserError(f"the diffusion's max_sigma is {self.max_sigma}: give a positive number, e.g. 50")
        thetas = thetas_of(self.schedule, steps=self.last)
        cumulative = torch.cumsum(thetas, dim=0) - thetas[0]
        dt = -1 / cumulative[-1] * math.log(self.eps)
        level = self.level
        tables = {
            "thetas": thetas,
            "sigmas": torch.sqrt(level**2 * 2 * thetas),
            "cumulative": cumulative,
            "sigma_bars": torch.sqrt(level**2 * (1 - torch.exp(-2 * cumulative * dt))),
            "dt": dt,
        }
        for name, table in tables.items():
            object.__setattr__(self, name, table)

    @property
    def level(self) -> float:
        """Noise level lambda at the end, for images in [0, 1]."""
        return self.max_sigma / 255 if self.max_sigma >= 1 else self.max_sigma

    @property
    def last(self) -> int:
        """The last step, where sampling starts."""
        return self.steps if self.sample_steps is None else self.sample_steps

    @property
    def time_scale(self) -> float:
        """What a step is multiplied by before the network is told."""
        return self.steps / self.last

    def settings(self) -> dict[str, int | float | str]:
        """Return what a trained network has to remember: arguments that build this process again."""
        return {"steps": self.steps, "max_sigma": self.max_sigma, "schedule": self.schedule, "eps": self.eps}

    def rebuilt(self, *, steps: int) -> MeanRevertingSDE:
        """Return the process whose schedule is computed anew for fewer (or more) sampling steps."""
        return dataclasses.replace(self, sample_steps=steps)

    def at(self, table: Tensor, time: Time) -> Tensor:
        """Look up a table.

        Arguments:
            table: One of the tables, with shape `(last + 1,)`.
            time: The step.

        Returns:
            The entry, on the device of `time`: a number, or shape `(B, 1, 1, 1)` for one step an image.
        """
        if isinstance(time, int):
            return table[time]
        found = table.to(time.device)[time.long()]
        return found.reshape(-1, 1, 1, 1) if found.ndim == 1 else found

    def mean(self, clean: Tensor, degraded: Tensor, time: Time) -> Tensor:
        """Return the mean of x_t given both images with shape `(B, C, H, W)`."""
        return degraded + (clean - degraded) * torch.exp(-self.at(self.cumulative, time) * self.dt)

    def diffuse(self, clean: Tensor, degraded: Tensor, time: Time, *, noise: Tensor) -> Tensor:
        """Return x_t drawn at once; `noise` is standard normal with the images' shape `(B, C, H, W)`."""
        return noise * self.at(self.sigma_bars, time) + self.mean(clean, degraded, time)

    def start(self, degraded: Tensor, *, noise: Tensor) -> Tensor:
        """Return the state where sampling starts: the degraded image with noise of level lambda (not sigma_bar_T)."""
        return degraded + noise * self.level

    def drift(self, state: Tensor, degraded: Tensor, time: Time) -> Tensor:
        """Return what one Euler step of the forward process adds without noise."""
        return self.at(self.thetas, time) * (degraded - state) * self.dt

    def forward_step(self, state: Tensor, degraded: Tensor, time: Time, *, noise: Tensor) -> Tensor:
        """Return x_t from the state before it by one Euler step of the forward process."""
        dispersion = self.at(self.sigmas, time) * (noise * math.sqrt(self.dt))
        return state + self.drift(state, degraded, time) + dispersion

    def score(self, noise: Tensor, time: Time) -> Tensor:
        """Return the score (gradient of the log density) that belongs to a predicted noise."""
        return -noise / self.at(self.sigma_bars, time)

    def noise_in(self, state: Tensor, degraded: Tensor, clean: Tensor, time: Time) -> Tensor:
        """Return the standard normal noise in a state whose clean image is known."""
        return (state - self.mean(clean, degraded, time)) / self.at(self.sigma_bars, time)

    def estimate(self, state: Tensor, degraded: Tensor, noise: Tensor, time: Time) -> Tensor:
        """Return the clean image that a predicted noise implies, not clamped."""
        growth = torch.exp(self.at(self.cumulative, time) * self.dt)
        return (state - degraded - self.at(self.sigma_bars, time) * noise) * growth + degraded
