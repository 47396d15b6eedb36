"""The reference that training is timed against: PNG files decoded for every patch, layers and steps as published."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import cv2
import numpy as np

from benchmark.speed.authors.restoring import published_layers
from benchmark.training.batches.patches import Patch

if TYPE_CHECKING:
    from torch import Tensor, nn


def decoded_batch(files: Sequence[tuple[Path, Path]], patches: Sequence[Patch]) -> tuple[Tensor, Tensor]:
    """Make a batch as the authors' loader does: decode both whole files, convert them to float, crop, mirror, stack.

    Arguments:
        files: The degraded and the clean PNG file of each pair.
        patches: What is cut from each; drawn beforehand, so that both ways can be compared.

    Returns:
        `degraded` and `clean`, float32 with shape `(B, 3, P, P)`, in [0, 1].
    """
    import torch

    batch: list[list[Tensor]] = [[], []]
    for pair, place in zip(files, patches, strict=True):
        for images, file in zip(batch, pair, strict=True):
            pixels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            assert pixels is not None
            image = pixels.astype(np.float32) / np.float32(255)
            crop = image[place.top : place.top + place.size, place.left : place.left + place.size]
            crop = crop[:, ::-1] if place.horizontal else crop
            crop = crop[::-1] if place.vertical else crop
            crop = crop.transpose(1, 0, 2) if place.transpose else crop
            rgb = crop[:, :, [2, 1, 0]]
            images.append(torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).float())
    return torch.stack(batch[0]), torch.stack(batch[1])


@contextmanager
def published_training(network: nn.Module) -> Iterator[None]:
    """Compute a NAFNet or an IR-SDE U-Net inside the block as published code does, forwards and backwards.

    Maps lie in memory channel by channel, norms are means over the channels one step at a time (NAFNet's with the
    gradient written out, as published), factors multiply whole maps, and `published_layers` holds. The results are the
    same.
    """
    from torch import nn

    from models.networks.layers import ChannelNorm, LayerNorm2d

    def normalise(layer: LayerNorm2d, x: Tensor) -> Tensor:
        return _layer_norm(x, layer.weight, layer.bias, layer.eps)

    def normalise_gain(layer: ChannelNorm, x: Tensor) -> Tensor:
        mean = x.mean(dim=1, keepdim=True)
        variance = x.var(dim=1, unbiased=False, keepdim=True)
        return (x - mean) * (variance + layer.eps).rsqrt() * layer.g

    def scaled(conv: nn.Conv2d, factor: Tensor, x: Tensor) -> Tensor:
        return conv(x) * factor

    def first_to_planes(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(x.contiguous() for x in inputs)

    with ExitStack() as stack:
        stack.enter_context(published_layers())
        stack.enter_context(patch.object(LayerNorm2d, "forward", normalise))
        stack.enter_context(patch.object(ChannelNorm, "forward", normalise_gain))
        stack.enter_context(
            patch.object(importlib.import_module("models.networks.nafnet.network"), "scaled_conv", scaled)
        )
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                stack.callback(module.register_forward_pre_hook(first_to_planes).remove)
        yield


def _layer_norm(x: Tensor, gain: Tensor, bias: Tensor, eps: float) -> Tensor:
    import torch

    class Norm(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
            centred = x - x.mean(dim=1, keepdim=True)
            deviation = (centred.pow(2).mean(dim=1, keepdim=True) + eps).sqrt()
            y = centred / deviation
            ctx.save_for_backward(y, deviation, gain)
            return gain.view(1, -1, 1, 1) * y + bias.view(1, -1, 1, 1)

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            y, deviation, gain = ctx.saved_tensors
            (gradient,) = gradients
            g = gradient * gain.view(1, -1, 1, 1)
            into = (g - y * (g * y).mean(dim=1, keepdim=True) - g.mean(dim=1, keepdim=True)) / deviation
            return into, (gradient * y).sum(dim=(0, 2, 3)), gradient.sum(dim=(0, 2, 3))

    return Norm.apply(x, gain, bias)  # pyright: ignore[reportReturnType]
