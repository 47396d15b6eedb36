"""The Inception network on which FID is defined, built from pytorch-fid's blocks and a weight file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmark.downloads.find import load_into, load_state
from benchmark.metrics.packed import packed, packs
from benchmark.metrics.precision import exact_float32

FEATURES = 2048
SIDE = 299
"""Rows and columns of the network's input."""


def build_network(weights: Path, *, device: str = "cpu") -> Any:
    """Return the 2015 TensorFlow Inception up to its last average pooling, with the weights stored in `weights`.

    pytorch-fid's own constructor downloads its weights; its blocks do not, so the network is put together here.

    Arguments:
        weights: A state dict under pytorch-fid's keys, with or without the classifier `fc.*`; its digest is not
            checked.
        device: Where it runs.

    Returns:
        A module from `(B, 3, 299, 299)` in [-1, 1] to `(B, 2048, 1, 1)`.

    Raises:
        UserError: The file is absent, broken or that of another network.
    """
    import torch
    from pytorch_fid import inception as fid
    from torch import nn
    from torchvision.models import inception_v3

    state = load_state(weights)
    with torch.random.fork_rng(devices=[]):  # the caller's random state stays as it is
        whole = inception_v3(weights=None, num_classes=1, aux_logits=False, init_weights=False)
        plain = dict(whole.named_children())
        patched = {
            "Mixed_5b": fid.FIDInceptionA(192, pool_features=32),
            "Mixed_5c": fid.FIDInceptionA(256, pool_features=64),
            "Mixed_5d": fid.FIDInceptionA(288, pool_features=64),
            "Mixed_6b": fid.FIDInceptionC(768, channels_7x7=128),
            "Mixed_6c": fid.FIDInceptionC(768, channels_7x7=160),
            "Mixed_6d": fid.FIDInceptionC(768, channels_7x7=160),
            "Mixed_6e": fid.FIDInceptionC(768, channels_7x7=192),
            "Mixed_7b": fid.FIDInceptionE_1(1280),
            "Mixed_7c": fid.FIDInceptionE_2(2048),
        }
    network = nn.Sequential()
    for name, layer in {**plain, **patched}.items():
        if name not in ("dropout", "fc"):
            network.add_module(name, layer)
    load_into(network, state, path=weights, ignored=("fc.", "AuxLogits."))
    # channels last: on a processor a fifth faster
    return network.requires_grad_(False).eval().to(device).to(memory_format=torch.channels_last)


class InceptionFeatures:
    """Turns an 8-bit image into the 2048 numbers whose statistics FID compares.

    Images go through one by one: batches would have to be of one size, and a batch's size moves the last bits.

    Arguments:
        weights: File with the network's weights (`build_network`).
        device: Where it runs.

    References:
        pytorch-fid: FID Score for PyTorch (Seitzer, 2020), https://github.com/mseitzer/pytorch-fid
    """

    def __init__(self, weights: Path, *, device: str = "cpu") -> None:
        import torch

        self.device = device
        self.network = build_network(weights, device=device)
        if packs(device):
            example = torch.zeros(1, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
            self.network = packed(self.network, example)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the features of an image.

        Arguments:
            image: RGB with shape `(H, W, 3)`, uint8, of any size.

        Returns:
            Features with shape `(2048,)`, float32.
        """
        import torch
        from torch.nn.functional import interpolate

        with exact_float32(self.device):
            planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(self.device)
            # without antialiasing, as pytorch-fid and the TensorFlow original do: it is part of the definition
            resized = interpolate(planes[None].float() / 255, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
            return self.network(2 * resized - 1).flatten().cpu().numpy()
