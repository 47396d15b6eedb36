"""URetinex-Net: an image taken apart into reflectance and illumination over unfolded rounds, and lit anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.networks.uretinex.blocks import Adjustment, Decomposition, IlluminationPrior, ReflectancePrior

# Where the tensors of a release lie: its file, the name of the network in it, and our module.
PARTS = {
    "init_low.model_R.": "model_Decom_low.",
    "unfolding.model_R.": "model_R.",
    "unfolding.model_L.": "model_L.",
    "L_adjust.model_A.": "adjust_model.",
}


class Retinex(NamedTuple):
    """What the network makes of an image: `restored` is `lit` times `reflectance`."""

    restored: Tensor
    reflectance: Tensor
    illumination: Tensor
    lit: Tensor


class URetinexNet(nn.Module):
    """The published network, with the published state-dict keys.

    In round 0 the auxiliary reflectance and illumination are the decomposition's; later ones minimise the distance to
    the image together with the distance to what the priors said, in closed form. The priors are the same in all rounds.

    Arguments:
        width: Channels inside the networks.
        rounds: How often the priors are applied.
        gamma: How much the reflectance of the prior counts against the image.
        lamda: How much the illumination of the prior counts against the image.
        offset: Added to both with every round.
        ratio: How many times lighter the illumination is to be; the authors' script for images without a reference
            takes 5. The figures in their paper take it from the clean image, which a restoration cannot know.

    References:
        URetinex-Net: Retinex-based Deep Unfolding Network for Low-light Image Enhancement (Wu et al., 2022)
        https://openaccess.thecvf.com/content/CVPR2022/html/Wu_URetinex-Net_Retinex-Based_Deep_Unfolding_Network_for_Low-Light_Image_Enhancement_CVPR_2022_paper.html
    """

    def __init__(
        self,
        *,
        width: int = 32,
        rounds: int = 3,
        gamma: float = 0.1,
        lamda: float = 0.5,
        offset: float = 0.05,
        ratio: float = 5.0,
    ) -> None:
        super().__init__()
        if width < 1 or rounds < 1:
            raise UserError(f"URetinex-Net needs a width and a count of rounds of at least 1 ({width=}, {rounds=})")
        if gamma <= 0 or lamda <= 0 or offset < 0 or ratio <= 0:
            raise UserError(
                f"URetinex-Net needs gamma, lamda and ratio above 0 and no negative offset "
                f"({gamma=}, {lamda=}, {ratio=}, {offset=})"
            )
        self.multiple_of = 1
        self.rounds = rounds
        self.gamma = gamma
        self.lamda = lamda
        self.offset = offset
        self.ratio = ratio
        self.model_Decom_low = Decomposition(width)
        self.model_R = ReflectancePrior(width)
        self.model_L = IlluminationPrior(width)
        self.adjust_model = Adjustment(width)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        return self.published(degraded).restored

    def published(self, degraded: Tensor) -> Retinex:
        """Return all that the published network returns, for images with shape `(B, 3, H, W)`, in [0, 1]."""
        degraded = degraded.contiguous(memory_format=torch.channels_last)
        reflectance, illumination = self.unfold(degraded, *self.model_Decom_low(degraded))
        lit = self.adjust_model(illumination, self.ratio)
        return Retinex(lit * reflectance, reflectance, illumination, lit)

    def unfold(self, degraded: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """Run the rounds and return the reflectance and the illumination of the last one.

        Arguments:
            degraded: Images with shape `(B, 3, H, W)`, in [0, 1].
            p: Their reflectance with the same shape, from the decomposition.
            q: Their illumination with shape `(B, 1, H, W)`, from the decomposition.
        """
        reflectance, illumination = self.model_R(p, q), self.model_L(q)
        for number in range(1, self.rounds):
            weight = self.gamma + self.offset * number
            p = (degraded * q + weight * reflectance) / (weight + q.square())
            weight = self.lamda + self.offset * number
            explained = (degraded * p).sum(dim=1, keepdim=True)
            q = (explained + weight * illumination) / (weight + p.square().sum(dim=1, keepdim=True))
            reflectance, illumination = self.model_R(p, q), self.model_L(q)
        return reflectance, illumination

    @staticmethod
    def published_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return our tensors, from those of a release whose files give `<stem>.<network>.<name>`, or from ours.

        A release holds more than is needed: `init_high` serves training, and `L_adjust` repeats the other networks.
        """
        if not any(key.startswith(tuple(PARTS)) for key in state):
            return dict(state)
        pattern = re.compile("|".join(re.escape(part) for part in PARTS))
        found = ((pattern.match(key), key, value) for key, value in state.items())
        return {PARTS[m[0]] + key[m.end() :]: value for m, key, value in found if m}

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the shapes of a state dict.

        Raises:
            UserError: The keys are not those of a URetinex-Net.
        """
        if "model_Decom_low.decom.0.weight" not in state or "adjust_model.conv4.weight" not in state:
            raise UserError(
                "these are not the whole weights of URetinex-Net: there is no 'model_Decom_low.decom.0.weight' or no "
                "'adjust_model.conv4.weight' (give the folder with init_low.pth, unfolding.pth and L_adjust.pth)"
            )
        return {"width": int(state["model_Decom_low.decom.0.weight"].shape[0])}
