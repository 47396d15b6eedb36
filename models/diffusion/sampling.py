"""From a degraded image to a restored one: the loop that all samplers share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.diffusion.grids import check_grid, grid
from models.diffusion.noise import NoiseSource
from models.diffusion.objective import Predict
from models.diffusion.samplers import SAMPLERS
from models.diffusion.samplers.contract import Sampler, Step, drawn
from models.diffusion.sde import MeanRevertingSDE
from models.errors import UserError


def make_sampler(name: str, sde: MeanRevertingSDE, *, prediction: str | None = None) -> Sampler:
    """Make a sampler for one batch.

    Arguments:
        name: A name of `SAMPLERS`.
        sde: The process.
        prediction: "data" or "noise", see the card; None for its default.

    Returns:
        The sampler, with nothing behind it.

    Raises:
        UserError: There is no such sampler, or it has no such prediction.
    """
    card = SAMPLERS[name]
    chosen = card.predictions[0] if prediction is None else prediction
    if chosen not in card.predictions:
        raise UserError(f"sampler {name!r} has no prediction {chosen!r}: it has {' and '.join(card.predictions)}")
    return SAMPLERS.load(name)(sde, prediction=chosen)


@torch.no_grad()
def integrate(
    predict: Predict,
    sde: MeanRevertingSDE,
    degraded: Tensor,
    *,
    state: Tensor,
    sampler: Sampler,
    times: Sequence[float],
    noise: NoiseSource,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Carry a state back through given times, with one network evaluation for each but the last.

    Arguments:
        predict: The network.
        sde: The process.
        degraded: Degraded images with shape `(B, C, H, W)`.
        state: The state at `times[0]`, with the same shape.
        sampler: A new sampler.
        times: Falling times; the last one need not be 0.
        noise: Where the steps' noise comes from.
        progress: Told the number of evaluations done after each of them.

    Returns:
        The state at the last time.
    """
    for done, (time, earlier) in enumerate(itertools.pairwise(times), start=1):
        told = torch.full((len(state),), time * sde.time_scale, dtype=state.dtype, device=state.device)
        predicted = predict(state, degraded, told).to(state)
        given = Step(state=state, degraded=degraded, predicted=predicted, time=time, earlier=earlier)
        state = sampler.step(given, noise)
        if progress is not None:
            progress(done)
    return state


def sample(
    predict: Predict,
    sde: MeanRevertingSDE,
    degraded: Tensor,
    *,
    noise: NoiseSource,
    sampler: str = "posterior",
    nfe: int | None = None,
    prediction: str | None = None,
    times: Sequence[float] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Restore a batch by sampling.

    Arguments:
        predict: The network: `(state, degraded, time) -> noise`; images with shape `(B, C, H, W)`, time with shape
            `(B,)`.
        sde: The process that the network was trained with; `sde.rebuilt(steps=...)` for a schedule with fewer steps.
        degraded: Degraded images with shape `(B, C, H, W)`, in [0, 1].
        noise: Where noise comes from, e.g. `KeyedNoise`.
        sampler: A name of `SAMPLERS`.
        nfe: Number of network evaluations; None for the sampler's default.
        prediction: "data" or "noise" for samplers that offer both; None for their default.
        times: Times to visit, falling from the last step to 0, instead of `nfe`; whole steps for samplers whose grid is
            "steps".
        progress: Told the number of evaluations done after each of them.

    Returns:
        Restored images with shape `(B, C, H, W)`, in [0, 1] up to overshoot: not clamped. Single or double precision.

    Raises:
        UserError: The sampler, its prediction, the number of evaluations or the times are not possible.
    """
    card = SAMPLERS[sampler]
    stepper = make_sampler(sampler, sde, prediction=prediction)
    if times is None:
        wanted = min(card.default_nfe, sde.last) if nfe is None else nfe
        path = grid(card.grid, sde, nfe=wanted)
    elif nfe is not None and nfe != len(times) - 1:
        raise UserError(f"{nfe} network evaluations were asked for, but the times given need {len(times) - 1}")
    else:
        path = check_grid(times, sde)
    if card.grid == "steps" and any(time != int(time) for time in path):
        raise UserError(f"sampler {sampler!r} visits whole steps only, but the times are {path}: round them")
    # Half precision would lose the small steps near the end; the network may still compute in it.
    degraded = degraded.to(torch.promote_types(degraded.dtype, torch.float32))
    state = sde.start(degraded, noise=drawn(noise, degraded))
    return integrate(predict, sde, degraded, state=state, sampler=stepper, times=path, noise=noise, progress=progress)
