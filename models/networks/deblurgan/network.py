"""DeblurGAN: a residual generator with instance normalisation, trained against a critic."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from models.errors import UserError

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
# Places in a block of its two convolutions: padding, convolution, norm, ReLU and dropout come around them.
FIRST, SECOND = 1, 6


class GeneratorBlock(nn.Module):
    """Two normalised convolutions with dropout between them, added to the input.

    Arguments:
        channels: The number C of channels.
        dropout: Share of the values that training sets to zero.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        return x + self.conv_block(x)


class DeblurGan(nn.Module):
    """The generator of DeblurGAN with its published keys.

    Normalisation uses the statistics of the image itself, in training and after it. The authors' test script leaves
    dropout on, by which the same image comes out differently each time; here it is off outside training.

    Arguments:
        width: Channels at full resolution; four times as many in the blocks.
        blocks: Number of residual blocks.
        dropout: Share of the values that training sets to zero in each block.

    References:
        DeblurGAN: Blind Motion Deblurring Using Conditional Adversarial Networks (Kupyn et al., 2018)
        https://arxiv.org/abs/1711.07064
    """

    multiple_of = 4

    def __init__(self, *, width: int = 64, blocks: int = 9, dropout: float = 0.5) -> None:
        super().__init__()

        def normed(conv: nn.Module, channels: int) -> list[nn.Module]:
            return [conv, nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)]

        self.model = nn.Sequential(
            nn.ReflectionPad2d(3),
            *normed(nn.Conv2d(3, width, 7), width),
            *normed(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), 2 * width),
            *normed(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1), 4 * width),
            *(GeneratorBlock(4 * width, dropout) for _ in range(blocks)),
            *normed(nn.ConvTranspose2d(4 * width, 2 * width, 3, stride=2, padding=1, output_padding=1), 2 * width),
            *normed(nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1), width),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, 3, 7),
            nn.Tanh(),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.02)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is clamped, as the authors'."""
        return (self.published(2 * degraded - 1)[0] + 1) / 2

    def published(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the restored images and what was added to them, for images with shape `(B, 3, H, W)`, in [-1, 1]."""
        added = self.model(image)
        return (image + added).clamp(-1, 1), added

    @staticmethod
    def published_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Leave out the running statistics that files of that time hold for every norm and that were never used."""
        return {key: value for key, value in state.items() if not key.endswith(STATISTICS)}

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of a DeblurGAN.
        """
        blocks = {int(m[1]) for key in state if (m := re.match(rf"model\.(\d+)\.conv_block\.{SECOND}\.", key))}
        if not blocks or "model.1.weight" not in state:
            raise UserError(
                f"these are not the weights of a DeblurGAN: there is no 'model.1.weight', or no block with the "
                f"convolutions {FIRST} and {SECOND}"
            )
        return {"width": int(state["model.1.weight"].shape[0]), "blocks": len(blocks)}
