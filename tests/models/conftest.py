"""Small networks that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from small_models import ARCHS, CLIP, shake

from models.daclip.build import build_daclip
from models.daclip.controller import DaClip
from models.diffusion.settings import Sampling
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build


@pytest.fixture
def daclip() -> DaClip:
    """A tiny DA-CLIP at random initialisation, its zero layers shaken."""
    torch.manual_seed(0)
    daclip = build_daclip(clip=CLIP, pretrained=None)
    shake(daclip)
    return daclip.eval()


@pytest.fixture
def make() -> Callable[..., Restorer]:
    """Build a small restorer by name, with its DA-CLIP when it needs one."""

    def make_restorer(name: str, *, shaken: bool = True) -> Restorer:
        torch.manual_seed(1)
        network = build(name, ARCHS[name])
        if shaken:
            shake(network)
        needs = NETWORKS[name].conditioning != "none"
        conditioner = build_daclip(clip=CLIP, pretrained=None) if needs else None
        if conditioner is not None:
            shake(conditioner)
        # Two calls tell what a hundred would.
        sampling = Sampling(nfe=2) if NETWORKS[name].sampler else None
        return Restorer(name=name, network=network, daclip=conditioner, sampling=sampling).eval()

    return make_restorer
