"""Losses of restoration, by the names that recipes call them; each is least for equal images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from models.errors import UserError, close_match
from models.training.losses.features import FEATURE_LOSSES, load_features
from models.training.losses.pixels import charbonnier, l1, luminance, mse, psnr, smooth_l1
from models.training.losses.structure import edge, frequency, gradient, ssim

Loss = Callable[[Tensor, Tensor], Tensor]
"""A number for two batches of images with shape `(B, C, H, W)`, in [0, 1], the restored ones first."""

RESTORATION_LOSSES: dict[str, Loss] = {
    "l1": l1,
    "mse": mse,
    "luminance": luminance,
    "smooth-l1": smooth_l1,
    "charbonnier": charbonnier,
    "psnr": psnr,
    "ssim": ssim,
    "edge": edge,
    "frequency": frequency,
    "gradient": gradient,
}


def weighted_losses(
    weights: Mapping[str, float], *, own: Sequence[str] = (), perceptual_weights: str | None = None
) -> Callable[[Tensor, Tensor], tuple[Tensor, dict[str, Tensor]]]:
    """Return the weighted sum of losses as a function of two batches with shape `(B, C, H, W)`.

    Arguments:
        weights: The weight of each term, e.g. `{"l1": 1.0, "mse": 0.1}`.
        own: Terms that the task knows itself and adds on its own.
        perceptual_weights: Where the weights of the perceptual losses lie.

    Returns:
        A function `(restored, clean)` that gives the sum and, when there are several, its terms without their weights.

    Raises:
        UserError: There is no term, one that is not known, or one whose network's weights are not found.
    """
    known = [*RESTORATION_LOSSES, *FEATURE_LOSSES, *own]
    if not weights:
        raise UserError(f"a restoration recipe needs losses, e.g. --set 'losses={{l1: 1}}' ({', '.join(known)})")
    terms: dict[str, Loss] = {}
    for name in weights:
        if name not in known:
            raise UserError(f"no restoration loss {name!r}{close_match(name, known)} (known: {', '.join(known)})")
        if name in FEATURE_LOSSES:
            terms[name] = load_features(name, perceptual_weights)
        elif name in RESTORATION_LOSSES:
            terms[name] = RESTORATION_LOSSES[name]

    def total(restored: Tensor, clean: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        # Under autocast networks return half precision, in which small differences vanish.
        with torch.autocast(restored.device.type, enabled=False):
            found = {name: term(restored.float(), clean.float()) for name, term in terms.items()}
        if not found:
            return restored.new_zeros(()), {}
        whole = torch.stack([weights[name] * term for name, term in found.items()]).sum()
        return whole, {name: term.detach() for name, term in found.items()} if len(weights) > 1 else {}

    return total
