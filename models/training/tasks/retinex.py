"""Fitting URetinex-Net: decomposition, then the unfolded rounds, then the adjustment of the light."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from models.errors import UserError
from models.inference.restorer import Restorer
from models.networks.uretinex.blocks import Decomposition
from models.networks.uretinex.network import URetinexNet
from models.training.losses.structure import gradient, ssim, total_variation
from models.training.recipe import Recipe
from models.training.tasks.contract import Batch, Task
from models.training.tasks.restoration import RestorationTask
from models.weights.opened import OpenedWeights

BRIGHTEST = 0.1
"""How much the illumination of a decomposition is drawn to the brightest channel."""
DARK = 1e-4


class Decomposed(nn.Module):
    """The network, and the decomposition of clean images that it learns from.

    Arguments:
        restorer: What restores.
        width: Channels inside the decomposition.
    """

    def __init__(self, restorer: Restorer, *, width: int) -> None:
        super().__init__()
        self.restorer = restorer
        self.clean_decomposition = Decomposition(width)

    @property
    def network(self) -> nn.Module:
        """The network alone, which is what weights are for."""
        return self.restorer.network


class RetinexTask(RestorationTask):
    """A network that learns to take images apart into reflectance and illumination, part by part.

    The two steps in the recipe's `stage_steps` part three stages; what an earlier one taught stays as it is. In the
    first, degraded and clean images are decomposed. In the second, the last round's reflectance is drawn to the clean
    one (squares and SSIM), and its illumination to a smooth one. In the third the light is adjusted by the ratio that
    the clean image has (or by the network's own, see `told_ratio`), and the result compared with it by the recipe's
    `losses`.

    The paper trains three programs one after the other with a perceptual loss in the last two; this is one run, and
    `losses` may name that loss for the last stage.

    Arguments:
        recipe: What to do.
        daclip: Not taken.

    Raises:
        UserError: As for every restoration task, or `stage_steps` are not two.

    References:
        URetinex-Net: Retinex-based Deep Unfolding Network for Low-light Image Enhancement (Wu et al., 2022)
        https://openaccess.thecvf.com/content/CVPR2022/html/Wu_URetinex-Net_Retinex-Based_Deep_Unfolding_Network_for_Low-Light_Image_Enhancement_CVPR_2022_paper.html
    """

    own_losses: ClassVar[tuple[str, ...]] = ("smoothness",)

    def __init__(self, recipe: Recipe, *, daclip: Path | OpenedWeights | None) -> None:
        super().__init__(recipe, daclip=daclip)
        if len(recipe.stage_steps) != 2:
            raise UserError(
                f"recipe {recipe.name} has three stages: give the steps where two of them begin, stage_steps"
            )
        network = self._restorer.network
        assert isinstance(network, URetinexNet)
        self._net, self._both = network, Decomposed(self._restorer, width=len(network.adjust_model.conv1.weight))

    @property
    def trainable(self) -> Decomposed:
        """The network and the decomposition of clean images."""
        return self._both

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the loss of the stage that the batch's `step` belongs to."""
        step = int(batch.get("step", torch.tensor(0)))
        stage = sum(step >= begin for begin in self._recipe.stage_steps)
        name = ("decomposition", "unfolding", "adjustment")[stage]
        loss, terms = (self._decompose, self._unfold, self._adjust)[stage](batch["degraded"], batch["clean"])
        return loss, {**terms, name: loss.detach()}

    def _decompose(self, degraded: Tensor, clean: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss = degraded.new_zeros(())
        for image, network in ((degraded, self._net.model_Decom_low), (clean, self._both.clean_decomposition)):
            reflectance, light = network(image)
            brightest = image.amax(dim=1, keepdim=True)
            loss = loss + l1_loss(reflectance * light, image) + BRIGHTEST * mse_loss(light, brightest)
        return loss, {}

    def _unfold(self, degraded: Tensor, clean: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            wanted, _ = self._both.clean_decomposition(clean)
        found = self._net.unfold(degraded, *self._start(degraded))
        reflectance, light = found
        smooth = self._recipe.losses.get("smoothness", 0.0) * total_variation(light)
        explained = l1_loss(reflectance * light, degraded)
        return mse_loss(reflectance, wanted) + 1 + ssim(reflectance, wanted) + explained + smooth, {}

    def _adjust(self, degraded: Tensor, clean: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            reflectance, light = self._net.unfold(degraded, *self._start(degraded))
            _, wanted = self._both.clean_decomposition(clean)
            ratios = wanted.mean(dim=(1, 2, 3)) / light.mean(dim=(1, 2, 3)).clamp(min=DARK)
        if not self._recipe.told_ratio:
            ratios = torch.full_like(ratios, self._net.ratio)
        lit = torch.cat([self._net.adjust_model(one, float(r)) for one, r in zip(light.split(1), ratios, strict=True)])
        loss, terms = self._compare((lit * reflectance,), clean)
        return loss + gradient(lit, wanted), terms

    def _start(self, degraded: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return self._net.model_Decom_low(degraded)


def retinex_task(recipe: Recipe, *, daclip: Path | OpenedWeights | None = None) -> Task:
    """Make the task of a recipe with three stages."""
    return RetinexTask(recipe, daclip=daclip)
