"""Scoring as the authors' test script and pytorch-fid do it, for comparison: image by image, then all files again."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import cv2
import numpy as np

CROP = 4


@dataclass
class Clock:
    """Seconds that each kind of work took, and processor seconds, which other programs disturb less."""

    seconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)

    def time(self, name: str, work: Any, *arguments: Any) -> Any:
        """Return `work(*arguments)` and add what it took to `name`."""
        started, processor = perf_counter(), process_time()
        result = work(*arguments)
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started
        self.processor[name] = self.processor.get(name, 0.0) + process_time() - processor
        return result


def reference_psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Return the PSNR of two images in [0, 255]."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return math.inf if error == 0 else 20 * math.log10(255.0 / math.sqrt(error))


def reference_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Return the SSIM of two images in [0, 255] as the script does: 11x11 windows in two dimensions.

    Colour images are compared three times, each time as a whole, and the three equal numbers are averaged.
    """
    if a.ndim == 3:
        return float(np.mean([_ssim(a, b) for _ in range(3)]))
    return _ssim(a, b)


def _ssim(a: np.ndarray, b: np.ndarray) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    line = cv2.getGaussianKernel(11, 1.5)
    window = np.outer(line, line.transpose())

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.filter2D(image, -1, window)[5:-5, 5:-5]

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mu_x, mu_y = mean(x), mean(y)
    var_x, var_y = mean(x**2) - mu_x**2, mean(y**2) - mu_y**2
    shared = mean(x * y) - mu_x * mu_y
    found = ((2 * mu_x * mu_y + c1) * (2 * shared + c2)) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))
    return float(found.mean())


def reference_luma(image: np.ndarray) -> np.ndarray:
    """Return the brightness of a BGR image in [0, 255], in [16, 235]."""
    return np.dot(image / 255.0, [24.966, 128.553, 65.481]) + 16.0


def reference_scores(
    restored: Sequence[Path], clean: Sequence[Path], network: Any, clock: Clock
) -> dict[str, list[float]]:
    """Return what the script prints of every image: PSNR and SSIM on RGB and on Y after its crop, and LPIPS.

    Arguments:
        restored: Image files.
        clean: Their clean images.
        network: An `lpips.LPIPS`.
        clock: Told what each part took.
    """
    import torch

    def prepare(image: np.ndarray) -> torch.Tensor:
        planes = np.ascontiguousarray((image[..., ::-1] / 255.0).transpose(2, 0, 1)).astype(np.float32)
        return torch.from_numpy(planes)[None] * 2 - 1

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        with torch.no_grad():
            return float(network(prepare(a), prepare(b)).item())

    found: dict[str, list[float]] = {name: [] for name in ("psnr", "ssim", "psnr_y", "ssim_y", "lpips")}
    for ours, theirs in zip(restored, clean, strict=True):
        a, b = (clock.time("decode", cv2.imread, str(file)) for file in (ours, theirs))
        small = [image[CROP:-CROP, CROP:-CROP] for image in (a, b)]
        bright = [reference_luma(image) for image in small]
        found["psnr"].append(clock.time("PSNR", reference_psnr, *small))
        found["ssim"].append(clock.time("SSIM", reference_ssim, *small))
        found["psnr_y"].append(clock.time("PSNR", reference_psnr, *bright))
        found["ssim_y"].append(clock.time("SSIM", reference_ssim, *bright))
        found["lpips"].append(clock.time("LPIPS", distance, a, b))
    return found


def reference_fid(restored: Sequence[Path], clean: Sequence[Path], network: Any, clock: Clock) -> float:
    """Return pytorch-fid's distance of two folders: every file is read again, one at a time, and scipy takes the root.

    Arguments:
        restored: Image files.
        clean: Image files.
        network: Inception from `(1, 3, 299, 299)` in [-1, 1] to `(1, 2048, 1, 1)`.
        clock: Told what each part took.
    """
    from pytorch_fid.fid_score import calculate_frechet_distance, get_activations
    from torch import nn
    from torch.nn.functional import interpolate

    class Model(nn.Module):
        def forward(self, batch: Any) -> list[Any]:
            resized = interpolate(batch, size=(299, 299), mode="bilinear", align_corners=False)
            return [network(2 * resized - 1)]

    def activations(files: Sequence[Path]) -> np.ndarray:
        with redirect_stderr(StringIO()):  # its own progress bar
            return get_activations([str(file) for file in files], Model(), batch_size=1, num_workers=0)

    def statistics(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return features.mean(axis=0), np.cov(features, rowvar=False)

    sets = [clock.time("Inception", activations, files) for files in (restored, clean)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy on an argument that pytorch-fid passes
        (mean_a, spread_a), (mean_b, spread_b) = (statistics(features) for features in sets)
        return float(clock.time("root", calculate_frechet_distance, mean_a, spread_a, mean_b, spread_b))


def random_inception() -> Mapping[str, Any]:
    """Return weights of Inception drawn at random: speed does not depend on their values."""
    import torch
    from torchvision.models import inception_v3

    torch.manual_seed(5)
    network = inception_v3(weights=None, num_classes=1, aux_logits=False, init_weights=False)
    for name, value in network.state_dict().items():
        # Else the signal fades on its way and all images have the same features.
        if value.ndim == 4:
            torch.nn.init.kaiming_normal_(value, nonlinearity="relu")
        elif name.endswith(("bn.weight", "running_var")):
            torch.nn.init.uniform_(value, 0.7, 1.3)
    return network.state_dict()


def random_alexnet() -> Mapping[str, Any]:
    """Return weights of AlexNet drawn at random."""
    import torch
    from torchvision.models import alexnet

    torch.manual_seed(6)
    return alexnet(weights=None).state_dict()
