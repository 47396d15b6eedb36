"""MIRNet, EnlightenGAN and MPRNet from 8 bits to 8 bits: padding, scales and rounding of the authors' programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.images.pixels import to_uint8
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build


@pytest.mark.parametrize("name", ["mirnet", "enlightengan", "mprnet"])
def test_a_picture_comes_out_as_from_the_authors_program(
    name: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(shared / "parity"))
    from fill import fill_module  # pyright: ignore[reportMissingImports]

    folder = shared / "parity" / "golden" / name
    golden = np.load(folder / "golden.npz")
    network = build(name, {})
    fill_module(network)
    gain = json.loads((folder / "meta.json").read_text())["fill_gain"]
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(gain)
    degraded = torch.from_numpy(golden["pipe_in"]).permute(2, 0, 1) / 255
    restored = restore(Restorer(name=name, network=network).eval(), degraded).permute(1, 2, 0).numpy()
    written = to_uint8(restored, rounding=NETWORKS[name].rounding)
    difference = np.abs(written.astype(int) - golden["pipe_out"])
    # A value on the edge between two may fall to either side.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
