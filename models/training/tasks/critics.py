"""Critics for adversarial training: scores for patches of images, and how scores become losses."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Critic(nn.Module):
    """A score for each patch of an image; how large the patches are follows from the number of layers.

    Arguments:
        width: Channels of the first layer.
        layers: Number of layers that halve the size.
        normalised: Whether all layers but the first and the last normalise their features, by the image's own
            statistics.

    References:
        Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017)
        https://arxiv.org/abs/1611.07004
    """

    def __init__(self, *, width: int = 64, layers: int = 3, normalised: bool = True) -> None:
        super().__init__()
        widths = [3, *(width * min(2**i, 8) for i in range(layers + 1))]
        steps: list[nn.Module] = []
        for level, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            steps.append(nn.Conv2d(inputs, outputs, 4, stride=2 if level < layers else 1, padding=2))
            if level and normalised:
                steps.append(nn.InstanceNorm2d(outputs))
            steps.append(nn.LeakyReLU(0.2, inplace=True))
        self.model = nn.Sequential(*steps, nn.Conv2d(widths[-1], 1, 4, padding=2))

    def forward(self, image: Tensor) -> Tensor:
        """Return scores with shape `(B, 1, h, w)` for images with shape `(B, 3, H, W)`, in [0, 1]."""
        return self.model(2 * image - 1)


class Verdict(NamedTuple):
    """The two sides of a comparison of scores.

    Arguments:
        critic: What the critic should lower.
        network: What the network that restores should lower.
    """

    critic: Tensor
    network: Tensor


def wasserstein(real: Tensor, restored: Tensor) -> Verdict:
    """Compare mean scores; the critic's side needs `gradient_penalty` beside it.

    References:
        Wasserstein GAN (Arjovsky et al., 2017) https://arxiv.org/abs/1701.07875
    """
    return Verdict(restored.mean() - real.mean(), -restored.mean())


def relativistic(real: Tensor, restored: Tensor) -> Verdict:
    """Ask by least squares whether each score is one above the mean of the other side's.

    The means are over the batch of this process.

    References:
        The relativistic discriminator: a key element missing from standard GAN (Jolicoeur-Martineau, 2018)
        https://arxiv.org/abs/1807.00734
    """
    above, below = real - restored.mean(), restored - real.mean()
    return Verdict(
        ((above - 1).square().mean() + (below + 1).square().mean()) / 2,
        ((above + 1).square().mean() + (below - 1).square().mean()) / 2,
    )


def least_squares(real: Tensor, restored: Tensor) -> Verdict:
    """Ask by least squares for a score of one for clean images and of zero for restored ones.

    References:
        Least Squares Generative Adversarial Networks (Mao et al., 2017) https://arxiv.org/abs/1611.04076
    """
    return Verdict(((real - 1).square().mean() + restored.square().mean()) / 2, (restored - 1).square().mean())


def gradient_penalty(critic: nn.Module, clean: Tensor, restored: Tensor, mix: Tensor) -> Tensor:
    """Return how far the critic is from a slope of one between clean and restored images.

    Arguments:
        critic: Maps images to scores.
        clean: Images with shape `(B, 3, H, W)`.
        restored: Images with the same shape.
        mix: Numbers in [0, 1] with shape `(B, 1, 1, 1)`, the share of the clean image.

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017) https://arxiv.org/abs/1704.00028
    """
    between = (mix * clean + (1 - mix) * restored.detach()).requires_grad_()
    # The slope of the sum of an image's scores, as in the authors' training of DeblurGAN.
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return F.mse_loss(slope.flatten(1).norm(dim=1), slope.new_ones(len(slope)))
