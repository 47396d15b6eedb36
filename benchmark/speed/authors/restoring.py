"""Restoring as the authors' test script does, for comparison: every step, and every layer computed as published."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    from torch import Tensor

    from models.diffusion.noise import NoiseSource
    from models.inference.restorer import Restorer


def reference_restore(restorer: Restorer, image: Tensor, *, noise: NoiseSource) -> Tensor:
    """Restore as the published test script does: every step of posterior sampling, layers as published.

    Arguments:
        restorer: The network, its DA-CLIP and the process.
        image: One image with shape `(1, 3, H, W)`, in [0, 1].
        noise: Where noise comes from.

    Returns:
        The restored image, not clamped.
    """
    import torch

    sde = restorer.sde
    embeddings = restorer.embed(image, exact=True)
    shape = tuple(image.shape[1:])
    state = image + sde.level * noise.draw(shape)
    gone = (sde.cumulative * sde.dt).double()
    with torch.no_grad(), published_layers():
        for step in range(sde.steps, 0, -1):
            predicted = restorer.predict(state, image, torch.full((1,), float(step)), embeddings=embeddings)
            clean = (state - image - sde.sigma_bars[step] * predicted) * float(torch.exp(gone[step])) + image
            a, b, c = (float(torch.exp(-x)) for x in (gone[step] - gone[step - 1], gone[step], gone[step - 1]))
            kept, known = a * (1 - c**2) / (1 - b**2), c * (1 - a**2) / (1 - b**2)
            spread = sde.level * ((1 - a**2) * (1 - c**2) / (1 - b**2)) ** 0.5
            state = image + kept * (state - image) + known * (clean - image) + spread * noise.draw(shape)
    return state


@contextmanager
def published_layers() -> Iterator[None]:
    """Compute layers inside the block as the authors' code does, step by step; the results are the same.

    Attention forms the whole matrix of pairs, linear attention passes over the pixels once a step, and enlarging stores
    the enlarged map before its convolution.
    """
    import torch.nn.functional as F

    from models.networks.attention import HEAD_DIM
    from models.networks.ir_sde.blocks import LINEAR_HEADS, LinearAttention, Upsample

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        return scores.softmax(dim=-1) @ value

    def attend_linearly(layer: LinearAttention, x: Tensor, content: Tensor | None = None) -> Tensor:
        height, width = x.shape[2:]
        heads = (part.unflatten(1, (LINEAR_HEADS, HEAD_DIM)).flatten(3) for part in layer.to_qkv(x).chunk(3, dim=1))
        query, key, value = heads
        query, key = query.softmax(dim=-2) * HEAD_DIM**-0.5, key.softmax(dim=-1)
        out = (key @ (value / (height * width)).transpose(-1, -2)).transpose(-1, -2) @ query
        return layer.to_out(out.flatten(1, 2).unflatten(2, (height, width)))

    def enlarge(layer: Upsample, x: Tensor) -> Tensor:
        return layer[1](F.interpolate(x, scale_factor=2.0, mode="nearest"))

    with (
        patch.object(F, "scaled_dot_product_attention", attend),
        patch.object(LinearAttention, "forward", attend_linearly),
        patch.object(Upsample, "forward", enlarge),
    ):
        yield
