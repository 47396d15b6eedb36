"""Weights that packages keep in a layout of their own, under the names of torchvision and pytorch-fid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.downloads.pickles import read_arrays, read_script
from models.errors import UserError

ALEXNET = (0, 3, 6, 8, 10)
VGG16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Numbers of the convolutions in torchvision's `features`."""

BLOCKS = ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e")
BLOCKS += ("Mixed_7a", "Mixed_7b", "Mixed_7c")
"""pytorch-fid's names of TensorFlow's `mixed`, `mixed_1`, ... `mixed_10`."""

STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")

# A kind of block: for each of its towers, the names of the tower's convolutions in pytorch-fid.
KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "5": {
        "": ("branch1x1",),
        "tower": ("branch5x5_1", "branch5x5_2"),
        "tower_1": ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
        "tower_2": ("branch_pool",),
    },
    "6a": {"": ("branch3x3",), "tower": ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")},
    "6": {
        "": ("branch1x1",),
        "tower": ("branch7x7_1", "branch7x7_2", "branch7x7_3"),
        "tower_1": tuple(f"branch7x7dbl_{number}" for number in range(1, 6)),
        "tower_2": ("branch_pool",),
    },
    "7a": {
        "tower": ("branch3x3_1", "branch3x3_2"),
        "tower_1": tuple(f"branch7x7x3_{number}" for number in range(1, 5)),
    },
}
# The last two blocks split their towers, and their towers are not modules but part of the names.
SPLIT = {
    "conv": "branch1x1",
    "tower_conv": "branch3x3_1",
    "tower_mixed_conv": "branch3x3_2a",
    "tower_mixed_conv_1": "branch3x3_2b",
    "tower_1_conv": "branch3x3dbl_1",
    "tower_1_conv_1": "branch3x3dbl_2",
    "tower_1_mixed_conv": "branch3x3dbl_3a",
    "tower_1_mixed_conv_1": "branch3x3dbl_3b",
    "tower_2_conv": "branch_pool",
}
# The normalisation has no scale of its own in the 2015 network, so it is 1.
PARTS = {"weight": "conv.weight", "beta": "bn.bias", "mean": "bn.running_mean", "var": "bn.running_var"}


def alexnet(path: Path) -> dict[str, np.ndarray]:
    """Return `features.*` of torchvision's AlexNet from a pickle of Flax weights.

    Arguments:
        path: `alexnet.ckpt`: `AlexNet_0/Conv_N/{kernel,bias}`, kernels as `(height, width, input, output)`.

    Raises:
        UserError: The file is damaged or holds other arrays.
    """
    return _features(path, "AlexNet_0", ALEXNET)


def vgg16(path: Path) -> dict[str, np.ndarray]:
    """Return `features.*` of torchvision's VGG16 from a pickle of Flax weights, as `alexnet` does."""
    return _features(path, "VGG16_0", VGG16)


def inception(path: Path) -> dict[str, np.ndarray]:
    """Return the Inception of FID under pytorch-fid's names, without its classifier, from a TorchScript archive.

    Arguments:
        path: An archive whose modules have the names of the TensorFlow original (`mixed_3.tower.conv_1`).

    Raises:
        UserError: The file is damaged or holds another network.
    """
    arrays = read_script(path)
    found: dict[str, np.ndarray] = {}
    for ours, theirs in convolutions():
        for old, new in PARTS.items():
            key = f"net.layers.{theirs}.{old}"
            if key not in arrays:
                raise UserError(f"{path} is not the Inception of FID: it has no {key}")
            found[f"{ours}.{new}"] = arrays[key]
        found[f"{ours}.bn.weight"] = np.ones_like(found[f"{ours}.bn.bias"])
    return found


def convolutions() -> Iterator[tuple[str, str]]:
    """Yield pytorch-fid's and TensorFlow's name of every convolution."""
    for number, name in enumerate(STEM):
        yield name, _numbered("conv", number)
    for place, block in enumerate(BLOCKS):
        source = _numbered("mixed", place)
        stage = block.removeprefix("Mixed_")
        if stage in ("7b", "7c"):
            yield from ((f"{block}.{ours}", f"{source}.{theirs}") for theirs, ours in SPLIT.items())
            continue
        for tower, names in KINDS.get(stage, KINDS.get(stage[0], {})).items():
            for number, name in enumerate(names):
                parts = (source, tower, _numbered("conv", number))
                yield f"{block}.{name}", ".".join(part for part in parts if part)


def _numbered(word: str, number: int) -> str:
    return f"{word}_{number}" if number else word


def _features(path: Path, root: str, numbers: tuple[int, ...]) -> dict[str, np.ndarray]:
    tree: Any = read_arrays(path).get(root)
    found: dict[str, np.ndarray] = {}
    for place, number in enumerate(numbers):
        layer: Any = tree.get(f"Conv_{place}") if isinstance(tree, dict) else None
        kernel, bias = (layer.get("kernel"), layer.get("bias")) if isinstance(layer, dict) else (None, None)
        if not isinstance(kernel, np.ndarray) or not isinstance(bias, np.ndarray) or kernel.ndim != 4:
            raise UserError(f"{path} does not hold the convolution {root}/Conv_{place}")
        found[f"features.{number}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), dtype=np.float32)
        found[f"features.{number}.bias"] = np.ascontiguousarray(bias, dtype=np.float32)
    return found
