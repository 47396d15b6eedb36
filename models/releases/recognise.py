"""Which network a state dict belongs to, and the architecture that its shapes tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from models.daclip.config import infer
from models.networks import NETWORKS
from models.releases.matching import Match, matches

CONTENT_KEY = "mid_attn.fn.fn.transformer_blocks.0.attn2.to_k.weight"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a state dict was recognised as.

    Arguments:
        task: "restoration" or "daclip".
        network: The network's name in the catalogue; "daclip" for a DA-CLIP.
        arch: Constructor arguments of the network; `{"clip": configuration}` for a DA-CLIP.
    """

    task: Literal["restoration", "daclip"]
    network: str
    arch: dict[str, Any]


def recognise(
    state: Mapping[str, Tensor], *, released: str | None = None, fits: Callable[[], list[Match]] | None = None
) -> Layout | None:
    """Say which network a state dict in the authors' layout belongs to, by its keys; None when to none that we know.

    Arguments:
        state: Tensors by name, without `module.` in front.
        released: The network that is known to have been released with this file; it settles which of several networks
            with the same names is meant.
        fits: Returns the networks that the tensors fit, as `matches` does, to whoever wants to ask it again.
    """
    if "visual_control.conv1.weight" in state:
        return Layout(task="daclip", network="daclip", arch={"clip": infer(state)})
    if "init_conv.weight" in state and "time_mlp.1.weight" in state:
        return _unet(state)
    # It has NAFNet's names too; `matches` looks at the networks that restore in one pass alone.
    if "intro.weight" in state and "time_mlp.1.weight" in state:
        refusion = NETWORKS.load("refusion")
        return Layout(task="restoration", network="refusion", arch=dict(refusion.infer_arch(state)))
    found = fits() if fits is not None else matches(state)
    best = next((one for one in found if one.network == released), found[0] if found else None)
    return None if best is None else Layout(task="restoration", network=best.network, arch=best.arch)


def _unet(state: Mapping[str, Tensor]) -> Layout:
    """Tell IR-SDE, IR-SDE + DA-CLIP and Wild-IR apart; the network reads the rest of its architecture itself."""
    plain = CONTENT_KEY not in state and "text_mlp.0.weight" not in state
    name = "ir-sde" if plain else "wild-ir" if "downsample.weight" in state else "ir-sde-daclip"
    network = NETWORKS.load(name)
    return Layout(task="restoration", network=name, arch=dict(network.infer_arch(state)))
