"""Learned perceptual image patch similarity: the `lpips` package's network with a backbone read from a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmark.downloads.find import ALEXNET, SQUEEZENET, VGG16, WeightFile, load_into, load_state
from benchmark.metrics.border import check_same_shape
from benchmark.metrics.packed import packed, packs
from benchmark.metrics.precision import exact_float32
from models.errors import UserError

Net = Literal["alex", "vgg", "squeeze"]
Order = Literal["rgb", "bgr"]

BACKBONES: dict[str, WeightFile] = {"alex": ALEXNET, "vgg": VGG16, "squeeze": SQUEEZENET}

SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Shortest side for which the last layer of each backbone still has a pixel."""

EXAMPLE = (320, 480)
"""Rows and columns of a common image, for which the backbones are made ready."""


def build_network(weights: Path, *, net: Net = "alex", device: str = "cpu") -> Any:
    """Return an `lpips.LPIPS` (version 0.1) with its own calibrated heads and the backbone stored in `weights`.

    Arguments:
        weights: torchvision's classifier weights, of which only `features.*` is used; the digest is not checked.
        net: The backbone.
        device: Where it runs.

    Raises:
        UserError: The file is absent, broken or that of another network.
    """
    import lpips
    import torch

    state = load_state(weights)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):  # the caller's random state stays as it is
        warnings.simplefilter("ignore")  # lpips 0.1.4 uses an argument that torchvision has renamed
        network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    # the package cuts torchvision's `features` into slices and keeps the layer numbers: slice2.3 is features.3
    slices = {key.split(".", 1)[1]: key for key in network.net.state_dict()}
    features = {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
    load_into(network.net, {slices.get(key, f"features.{key}"): value for key, value in features.items()}, path=weights)
    # channels last: on a processor a tenth faster
    return network.requires_grad_(False).eval().to(device).to(memory_format=torch.channels_last)


class Lpips:
    """Distance of two images in the features of a classifier, weighted by human judgements; 0 for equal images.

    Arguments:
        weights: File with the backbone's weights (`build_network`).
        net: The backbone.
        device: Where it runs.

    References:
        The Unreasonable Effectiveness of Deep Features as a Perceptual Metric (Zhang, Isola, Efros, Shechtman and Wang,
        2018), https://arxiv.org/abs/1801.03924
    """

    def __init__(self, weights: Path, *, net: Net = "alex", device: str = "cpu") -> None:
        import torch

        self.net = net
        self.device = device
        self.network = build_network(weights, net=net, device=device)
        if packs(device):
            example = torch.zeros(1, 3, *EXAMPLE).to(memory_format=torch.channels_last)
            self.network.net = packed(self.network.net, example)

    def __call__(self, restored: np.ndarray, clean: np.ndarray, *, order: Order = "rgb") -> float:
        """Return the distance of two RGB images; neither is cropped, clamped or quantised.

        Arguments:
            restored: RGB with shape `(H, W, 3)`, float, nominally in [0, 1].
            clean: RGB of the same shape and scale.
            order: Order in which the network sees the channels; it was trained on RGB, but some published figures were
                made with images in OpenCV's BGR.

        Raises:
            UserError: The shapes differ, or a side is too short for the backbone.
        """
        check_same_shape(restored, clean)
        return self.compare(self.features(restored, order=order), self.features(clean, order=order))

    def features(self, image: np.ndarray, *, order: Order = "rgb") -> list[Any]:
        """Return what the backbone sees in an image, each pixel's channels brought to length 1.

        A clean image's features serve every method, and every protocol that shows it in the same order.

        Arguments:
            image: RGB with shape `(H, W, 3)`, float, nominally in [0, 1].
            order: Order in which the network sees the channels.

        Returns:
            A tensor with shape `(1, C, h, w)` for each layer that is compared.

        Raises:
            UserError: A side is too short for the backbone.
        """
        import torch
        from lpips import normalize_tensor

        smallest, (height, width) = SMALLEST[self.net], image.shape[:2]
        if min(height, width) < smallest:
            raise UserError(f"LPIPS ({self.net}) needs at least {smallest}x{smallest} pixels and got {width}x{height}")
        channels = image if order == "rgb" else image[..., ::-1]
        planes = np.ascontiguousarray(channels.transpose(2, 0, 1), dtype=np.float32)
        with exact_float32(self.device):
            batch = torch.from_numpy(planes)[None].to(self.device) * 2 - 1
            layers = self.network.net.forward(self.network.scaling_layer(batch))
            return [normalize_tensor(layer) for layer in layers]

    def compare(self, restored: list[Any], clean: list[Any]) -> float:
        """Return the distance of two images whose features are given."""
        with exact_float32(self.device):
            heads = zip(self.network.lins, restored, clean, strict=True)
            return float(sum(head((a - b) ** 2).mean() for head, a, b in heads))
