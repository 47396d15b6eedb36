"""Restores one large image within a budget, in a process of its own, and prints how much it held at most."""

from __future__ import annotations

import json
import sys

import torch
from small_models import ARCHS, CLIP

from models.daclip.build import build_daclip
from models.diffusion.settings import Sampling
from models.inference.peak import forget_peak, peak_memory, resident
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build


def main(name: str, height: int, width: int, allowed: int) -> None:
    card = NETWORKS[name]
    daclip = build_daclip(clip=CLIP, pretrained=None) if card.conditioning != "none" else None
    sampling = Sampling(nfe=1) if card.sampler else None
    restorer = Restorer(name=name, network=build(name, ARCHS[name]), daclip=daclip, sampling=sampling).eval()
    image = torch.rand(3, height, width)
    shapes: list[tuple[int, int]] = []
    restorer.network.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape[2:])))
    forget_peak()
    budget = resident() + allowed
    restored = restore(restorer, image, max_memory=budget)
    assert restored.shape == image.shape
    print(json.dumps({"peak": peak_memory(), "budget": budget, "calls": len(shapes), "largest": max(shapes)}))


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:5]))
