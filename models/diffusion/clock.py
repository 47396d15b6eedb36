"""Real-valued time: the process between its integer steps, and the half log-SNR that exact solvers use as clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.diffusion.sde import MeanRevertingSDE


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One time, in double precision.

    Arguments:
        kept: alpha = exp(-Theta dt), the part of the clean image that is left, in (0, 1].
        spread: sigma_bar, the standard deviation of the noise.
        half_log_snr: l = log(alpha / sigma_bar); infinite at time 0.
    """

    kept: float
    spread: float
    half_log_snr: float


def forgotten_at(sde: MeanRevertingSDE, time: float) -> float:
    """Return Theta dt at a real time: linear between the steps of the table.

    The table sums theta_1 .. theta_t, so the process it stands for has theta equal to theta_t all along (t - 1, t]. Its
    integral is linear there and agrees with the table at every step; any other interpolation would change the process.

    Arguments:
        sde: The process.
        time: Time in [0, `sde.last`].

    Returns:
        The exponent of forgetting: -log(eps) at the end.
    """
    table = sde.cumulative.double().numpy()
    return float(np.interp(time, np.arange(len(table)), table)) * float(sde.dt)


def moment(sde: MeanRevertingSDE, time: float) -> Moment:
    """Return the process at a real time in [0, `sde.last`]."""
    exponent = forgotten_at(sde, time)
    kept = math.exp(-exponent)
    # expm1 keeps all digits at small times, where 1 - exp(-x) loses them.
    spread = sde.level * math.sqrt(-math.expm1(-2 * exponent))
    return Moment(kept=kept, spread=spread, half_log_snr=math.inf if spread == 0 else math.log(kept / spread))


def time_at(sde: MeanRevertingSDE, half_log_snr: float) -> float:
    """Return the real time of a half log-SNR: the inverse of `moment`.

    From sigma_bar^2 = lambda^2 (1 - alpha^2): Theta dt = log(1 + exp(-2 (l + log lambda))) / 2.

    Arguments:
        sde: The process.
        half_log_snr: l, at least that of the last step.

    Returns:
        Time in [0, `sde.last`].
    """
    exponent = 0.5 * math.log1p(math.exp(-2 * (half_log_snr + math.log(sde.level))))
    table = sde.cumulative.double().numpy()
    return float(np.interp(exponent / float(sde.dt), table, np.arange(len(table))))
