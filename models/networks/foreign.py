"""Networks from outside the catalogue: anybody's torch module, and what the package spandrel knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.networks.find import SPANDREL, factory_of


class Foreign(nn.Module):
    """A module whose author we do not know, held to the contract of a network.

    Its parameters keep their names, so that its own weights files load strictly.

    Arguments:
        name: Its name, for messages.
        module: Takes and returns images with shape `(B, 3, H, W)`, in [0, 1].
    """

    def __init__(self, *, name: str, module: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.module = module

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1].

        Raises:
            UserError: The module fails, or returns something else than images of the same size.
        """
        try:
            restored: Any = self.module(degraded)
        except (RuntimeError, TypeError, ValueError, LookupError, AssertionError) as error:
            height, width = degraded.shape[2:]
            reason = str(error).split("\n")[0]
            raise UserError(
                f"network {self.name!r} failed on {width}x{height} pixels ({type(error).__name__}: {reason}): "
                "if it needs certain sizes, let the module say so by attributes multiple_of and minimum_size"
            ) from error
        if not isinstance(restored, Tensor) or restored.shape != degraded.shape:
            came = tuple(restored.shape) if isinstance(restored, Tensor) else type(restored).__name__
            raise UserError(
                f"network {self.name!r} returned {came} for images with shape {tuple(degraded.shape)}: expected a "
                "tensor of the same shape, restored images in [0, 1]"
            )
        return restored


class SpandrelNetwork(nn.Module):
    """A network that spandrel built, with the sizes, tiling and half precision that it states.

    Arguments:
        descriptor: What spandrel made of a state dict.

    Raises:
        UserError: It does not map RGB images to RGB images of the same size.

    References:
        spandrel (chaiNNer-org) https://github.com/chaiNNer-org/spandrel
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        name = descriptor.architecture.name
        channels = (descriptor.input_channels, descriptor.output_channels)
        if descriptor.scale != 1 or channels != (3, 3):
            raise UserError(
                f"these are the weights of a {name} that enlarges {descriptor.scale} times and maps {channels[0]} "
                f"channels to {channels[1]}: only networks from RGB images to RGB images of the same size restore here"
            )
        needs = descriptor.size_requirements
        self.model = descriptor.model
        self.title = f"{name} (spandrel)"
        self.multiple_of = needs.multiple_of
        self.minimum_size = max(1, needs.minimum)
        # A network that wants squares or tiles by itself is given the whole image; spandrel makes it a square.
        self.tiles = "close" if descriptor.tiling.name == "SUPPORTED" and not needs.square else "no"
        works = {"bf16": descriptor.supports_bfloat16, "fp16": descriptor.supports_half}
        self.half_precisions = tuple(name for name, supported in works.items() if supported)
        self._descriptor = descriptor

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, one by one, as spandrel promises no more."""
        return torch.cat([self._descriptor(image[None]) for image in degraded])


def build_foreign(name: str) -> nn.Module:
    """Call the factory of a network from outside the catalogue.

    Arguments:
        name: `package.module:factory`.

    Raises:
        UserError: There is no such factory, it fails, or it returns no torch module.
    """
    if name == SPANDREL:
        raise UserError(f"network {SPANDREL!r} is known by its weights only: give a checkpoint as --weights")
    factory = factory_of(name)
    try:
        module = factory()
    except UserError:
        raise
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise UserError(f"network {name!r} could not be made ({type(error).__name__}: {reason})") from error
    if not isinstance(module, nn.Module):
        raise UserError(f"network {name!r}: the factory returned {type(module).__name__}, expected a torch.nn.Module")
    return module


def load_spandrel(state: Mapping[str, Tensor], path: Path) -> SpandrelNetwork:
    """Let spandrel build the network that tensors belong to.

    Arguments:
        state: Tensors by name.
        path: Where they come from, for messages.

    Raises:
        UserError: spandrel is not installed, does not know the network, or it does not restore.
    """
    try:
        import spandrel
    except ModuleNotFoundError:
        raise UserError(
            "network 'spandrel' needs the package spandrel: install it by pip install 'daclip-bench[spandrel]'"
        ) from None
    try:
        descriptor = spandrel.ModelLoader().load_from_state_dict(dict(state))
    except spandrel.UnsupportedModelError:
        names = ", ".join(list(state)[:3])
        raise UserError(f"{path} is of no network that spandrel knows (its first names are {names})") from None
    except (RuntimeError, LookupError, ValueError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(f"{path} could not be loaded by spandrel ({type(error).__name__}: {reason})") from error
    return SpandrelNetwork(descriptor)
