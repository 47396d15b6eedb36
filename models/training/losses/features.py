"""Distances between what a classifier sees in two images; its weights are a file that the user has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import UserError
from models.weights.folders import search_folders
from models.weights.opened import load_state

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILES = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}
"""The weights of torchvision, at https://download.pytorch.org/models/."""


@dataclass(frozen=True, kw_only=True)
class FeatureLoss:
    """What a perceptual loss compares.

    Arguments:
        network: "vgg16" or "vgg19".
        layers: Their numbers in torchvision's `features`; what comes out of each is compared.
        normalised: Whether each map is brought to mean 0 and variance 1 first, so that light does not matter.
        paper: Where it is from.
    """

    network: str
    layers: tuple[int, ...]
    normalised: bool = False
    paper: str = ""


FEATURE_LOSSES = {
    # The output of the ReLUs 1_2, 2_2 and 3_3.
    "perceptual-vgg16": FeatureLoss(
        network="vgg16", layers=(3, 8, 15), paper="GridDehazeNet (Liu et al., 2019) https://arxiv.org/abs/1908.03245"
    ),
    # The third convolution of the third block, before its ReLU.
    "perceptual-vgg19": FeatureLoss(
        network="vgg19", layers=(14,), paper="DeblurGAN (Kupyn et al., 2018) https://arxiv.org/abs/1711.07064"
    ),
    # The first ReLU after the fourth pooling.
    "self-feature": FeatureLoss(
        network="vgg16",
        layers=(25,),
        normalised=True,
        paper="EnlightenGAN (Jiang et al., 2019) https://arxiv.org/abs/1906.06972",
    ),
}


class Features:
    """The mean squared distance of feature maps, as a function of two batches of images.

    The network is no part of what is trained: it follows the images to their device and no gradient reaches it.

    Arguments:
        loss: What is compared.
        weights: State dict of torchvision's network; its classifier may be missing.
        origin: Where the weights are from, for messages.

    Raises:
        UserError: The weights are not those of the network.
    """

    def __init__(self, loss: FeatureLoss, weights: dict[str, Tensor], *, origin: str) -> None:
        from torchvision.models import vgg16, vgg19

        self._loss = loss
        # On no device: the whole classifier would take half a gigabyte for nothing.
        with torch.device("meta"):
            features = {"vgg16": vgg16, "vgg19": vgg19}[loss.network](weights=None).features
        # A ReLU in place would change the map before it, which may be one that is compared.
        needed = list(features.children())[: loss.layers[-1] + 1]
        layers = nn.Sequential(*(nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in needed))
        own = {name: weights.get(f"features.{name}") for name in layers.state_dict()}
        for name, value in layers.state_dict().items():
            found = own[name]
            if found is None or found.shape != value.shape or not found.is_floating_point():
                raise UserError(f"{origin} does not hold the weights of torchvision's {loss.network}: features.{name}")
            own[name] = found.to(torch.float32)
        layers.load_state_dict(own, assign=True)  # pyright: ignore[reportArgumentType]
        self._layers = layers.requires_grad_(False).eval()

    def __call__(self, restored: Tensor, clean: Tensor) -> Tensor:
        """Return the distance of images with shape `(B, 3, H, W)`, in [0, 1], averaged over the layers."""
        self._layers.to(restored.device)
        with torch.no_grad():
            wanted = self._maps(clean)
        distances = [functional.mse_loss(x, y) for x, y in zip(self._maps(restored), wanted, strict=True)]
        return torch.stack(distances).mean()

    def _maps(self, image: Tensor) -> list[Tensor]:
        x = (image - image.new_tensor(MEAN).view(3, 1, 1)) / image.new_tensor(SPREAD).view(3, 1, 1)
        maps: list[Tensor] = []
        for number, layer in enumerate(self._layers):
            x = layer(x)
            if number in self._loss.layers:
                maps.append(functional.instance_norm(x) if self._loss.normalised else x)
        return maps


def load_features(name: str, weights: str | None) -> Features:
    """Return the perceptual loss called `name`, with its weights from a file.

    Arguments:
        name: One of `FEATURE_LOSSES`.
        weights: The file, or a folder that holds it under torchvision's name; None for the usual folders.

    Raises:
        UserError: There is no such file, or it holds something else.
    """
    loss = FEATURE_LOSSES[name]
    path = find_features(FILES[loss.network], weights, wanted_for=name)
    return Features(loss, load_state(path), origin=str(path))


def find_features(file: str, weights: str | None, *, wanted_for: str) -> Path:
    """Return where the weights of a classifier lie; nothing is ever downloaded."""
    if weights is not None and not Path(weights).expanduser().is_dir():
        places: Sequence[Path] = [Path(weights).expanduser()]
    else:
        folders = search_folders() if weights is None else (Path(weights).expanduser(),)
        places = [folder / file for folder in folders]
    for place in places:
        if place.is_file():
            return place
    raise UserError(
        f"the loss {wanted_for} needs the file {file}, which is not at {', '.join(map(str, places))}: get it from "
        f"https://download.pytorch.org/models/{file} and give its place with --set perceptual_weights=FILE, or leave "
        f"the loss out"
    )
