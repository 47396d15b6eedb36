"""JORDER-E: rain, where it falls and how heavily estimated together, twice in a row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from models.errors import UserError


def _conv(inputs: int, outputs: int, *, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)


class ContextBlock(nn.Module):
    """Three branches of two convolutions that see further and further, the wider two added faintly.

    Arguments:
        channels: The number C of channels.
    """

    # How far apart the taps of a branch's two convolutions lie, and the factor that it is added with.
    branches = ((1, 1, 1.0), (2, 2, 0.1), (2, 4, 0.1))

    def __init__(self, channels: int) -> None:
        super().__init__()
        for i, (first, second, _) in enumerate(self.branches):
            self.add_module(f"conv{2 * i + 1}", _conv(channels, channels, dilation=first))
            self.add_module(f"conv{2 * i + 2}", _conv(channels, channels, dilation=second))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        result = x
        for i, (_, _, factor) in enumerate(self.branches):
            inner = self.get_submodule(f"conv{2 * i + 1}")(x).relu_()
            result = torch.add(result, self.get_submodule(f"conv{2 * i + 2}")(inner).relu_(), alpha=factor)
        return result


class Recurrence(nn.Module):
    """One of the two passes: features, from them the rain's place and level, and with both the rain to take away.

    Arguments:
        width: Channels of the features.
        blocks: Context blocks.
    """

    def __init__(self, *, width: int, blocks: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.encoder = _conv(6, width)
        self.updater = nn.ModuleDict({f"res{i + 1}": ContextBlock(width) for i in range(blocks)})
        for name, channels in (("mask", 2), ("level", 3)):
            self.add_module(f"{name}_estimator1", _conv(width, 8))
            self.add_module(f"{name}_estimator2", _conv(8, channels))
        for name, channels in (("mask", 2), ("level", 3)):
            for kind in ("w", "b"):
                self.add_module(f"{name}_F_{kind}_encoder1", _conv(channels, 16))
                self.add_module(f"{name}_F_{kind}_encoder2", _conv(16, width))
        self.decoder = nn.Sequential(_conv(width, width), _conv(width, 3))

    def forward(
        self, images: Tensor, *, earlier: tuple[Sequence[Tensor], Tensor, Tensor] | None = None
    ) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
        """Estimate the rain.

        Arguments:
            images: The degraded images and the best restored ones so far, with shape `(B, 6, H, W)`.
            earlier: From the pass before: what its blocks gave, the mask and the level.

        Returns:
            In the first pass what every block gave, else nothing; the mask's two logits; the level of three channels;
            and what is to be added to the degraded images.
        """
        x = self.encoder(images)
        features: list[Tensor] = []
        for i, block in enumerate(self.updater.values()):
            x = block(x)
            if earlier is None:
                features.append(x)
            else:
                x = x + earlier[0][i]
        mask, level = self._two("mask_estimator", x), self._two("level_estimator", x)
        if earlier is not None:
            mask, level = mask + earlier[1], level + earlier[2]
        gain = self._encode("mask", "w", mask) * self._encode("level", "w", level) + 1
        x = x * gain + self._encode("mask", "b", mask) + self._encode("level", "b", level)
        return features, mask, level, self.decoder(x)

    def _two(self, name: str, x: Tensor) -> Tensor:
        return self.get_submodule(f"{name}2")(self.get_submodule(f"{name}1")(x))

    def _encode(self, name: str, kind: str, x: Tensor) -> Tensor:
        encoder = f"{name}_F_{kind}_encoder"
        return self.get_submodule(f"{encoder}2")(self.get_submodule(f"{encoder}1")(x).relu_())


class JORDERE(nn.Module):
    """The published network, with the published state-dict keys; its authors work on [0, 255].

    Arguments:
        width: Channels of all features; 32 in the released "practical" model.
        blocks: Context blocks of each pass; 3 in the released "practical" model.

    Raises:
        UserError: The width or the number of blocks is less than 1.

    References:
        Joint Rain Detection and Removal from a Single Image with Contextualized Deep Networks (Yang et al., 2019)
        https://doi.org/10.1109/TPAMI.2019.2895793
    """

    def __init__(self, *, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        if min(width, blocks) < 1:
            raise UserError(f"a JORDER-E needs a width and blocks of at least 1: got {width} and {blocks}")
        self.multiple_of = 1
        self.jorder1 = Recurrence(width=width, blocks=blocks)
        self.jorder2 = Recurrence(width=width, blocks=blocks)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        return self.published(255 * degraded)[0] / 255

    def predictions(self, degraded: Tensor) -> tuple[Tensor, ...]:
        """Return the results of both passes, the final one last.

        Arguments:
            degraded: Images with shape `(B, 3, H, W)`, in [0, 1].
        """
        final, first, _, _ = self.published(255 * degraded)
        return first / 255, final / 255

    def published(self, degraded: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Apply the network on its authors' scale.

        Arguments:
            degraded: Images with shape `(B, 3, H, W)`, in [0, 255].

        Returns:
            The results of the second and of the first pass, with the scale and the shape of the images, the logits of
            where rain is, with shape `(B, 2, H, W)`, and its level, with shape `(B, 3, H, W)`.
        """
        # Pixels stored together: faster on a CPU.
        degraded = degraded.contiguous(memory_format=torch.channels_last)
        features, mask, level, change = self.jorder1(torch.cat([degraded, degraded], dim=1))
        first = degraded + change
        earlier = (features, mask, level)
        _, mask, level, change = self.jorder2(torch.cat([degraded, first], dim=1), earlier=earlier)
        return degraded + change, first, mask, level

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of the released checkpoint.

        Raises:
            UserError: The keys are not those of a JORDER-E.
        """
        first = state.get("jorder1.encoder.weight", torch.empty(0))
        blocks = sum(re.fullmatch(r"jorder1\.updater\.res\d+\.conv1\.weight", key) is not None for key in state)
        if first.shape[1:] != (6, 3, 3) or not blocks:
            raise UserError("these are not the weights of a JORDER-E: there is no 'jorder1.encoder.weight' with blocks")
        return {"width": int(first.shape[0]), "blocks": blocks}
