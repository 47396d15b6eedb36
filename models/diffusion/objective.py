"""What a noise-predicting network is trained on: steps along the most likely path back to the clean image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from models.diffusion.reverse import optimum_state, reverse_mean
from models.diffusion.sde import MeanRevertingSDE, Time
from models.errors import UserError

# (state, degraded, time) -> noise; images with shape `(B, C, H, W)`, time with shape `(B,)`.
Predict = Callable[[Tensor, Tensor, Tensor], Tensor]

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": lambda a, b: (a - b).abs(),
    "l2": lambda a, b: (a - b).square(),
}


def path_error(
    sde: MeanRevertingSDE,
    noise: Tensor,
    *,
    state: Tensor,
    degraded: Tensor,
    clean: Tensor,
    time: Time,
    distance: str = "l1",
) -> Tensor:
    """Return how far one predicted reverse step ends from the optimum one.

    The predicted step is the mean of the reverse SDE's Euler step; the target is the bridge's mean for the true clean
    image. The two agree for the true noise only up to the step's size: the published loss does not reach zero.

    Arguments:
        sde: The process.
        noise: The network's prediction, with shape `(B, C, H, W)`.
        state: x_t with the same shape.
        degraded: Degraded images with the same shape.
        clean: Clean images with the same shape.
        time: The steps.
        distance: "l1" or "l2" (squared).

    Returns:
        The mean over all pixels and images; images weigh the same at all times.

    Raises:
        UserError: There is no such distance.

    References:
        Image Restoration with Mean-Reverting Stochastic Differential Equations (Luo et al., 2023)
            https://arxiv.org/abs/2301.11699
    """
    if distance not in DISTANCES:
        raise UserError(f"the diffusion loss has no distance {distance!r}: {' or '.join(DISTANCES)}")
    predicted = reverse_mean(sde, state, degraded, sde.score(noise, time), time)
    wanted = optimum_state(sde, state, degraded, clean, time)
    # First over each image: images of a batch have one size, so this is the mean over all.
    return DISTANCES[distance](predicted, wanted).mean(dim=(1, 2, 3)).mean()


def optimum_path_loss(
    predict: Predict,
    sde: MeanRevertingSDE,
    *,
    clean: Tensor,
    degraded: Tensor,
    generator: torch.Generator,
    distance: str = "l1",
    place: tuple[int, int] | None = None,
) -> Tensor:
    """Return the training loss of a batch: a random step and random noise for each image.

    Arguments:
        predict: The network.
        sde: The process.
        clean: Clean images with shape `(B, C, H, W)`, in [0, 1].
        degraded: Degraded images with the same shape.
        generator: Source of randomness on the CPU; steps are drawn first, then the noise.
        distance: "l1" or "l2" (squared).
        place: For a part of a batch, the slot of its first image and the number of slots: it gets what it would have
            got within the whole.

    Returns:
        The loss.

    References:
        Image Restoration with Mean-Reverting Stochastic Differential Equations (Luo et al., 2023)
            https://arxiv.org/abs/2301.11699
    """
    first, total = place or (0, len(clean))
    rows = slice(first, first + len(clean))
    time = torch.randint(1, sde.last + 1, (total,), generator=generator)[rows].to(clean.device)
    noise = torch.randn((total, *clean.shape[1:]), generator=generator, dtype=torch.float32)[rows].to(clean)
    state = sde.diffuse(clean, degraded, time, noise=noise)
    told = time.to(torch.float32) * sde.time_scale
    return path_error(
        sde,
        predict(state, degraded, told),
        state=state,
        degraded=degraded,
        clean=clean,
        time=time,
        distance=distance,
    )
