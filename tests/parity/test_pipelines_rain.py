"""JORDER, JORDER-E and the PReNet family from 8 bits to 8 bits, and with the weights of their authors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from golden_rain import BUILDERS

from models.errors import UserError
from models.files import sha256_file
from models.images.pixels import to_uint8
from models.inference.loading import load_restorer
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks import NETWORKS

# The golden of the practical JORDER-E is our JORDER-E with other sizes; underlines are hyphens elsewhere.
NAMES = {golden: golden.removesuffix("_practical").replace("_", "-") for golden in BUILDERS}
WEIGHTS = {
    "prenet-real": "prenet/Rain100H_PReNet6_net_latest.pth",
    "prenet_generator-real": "prenet/real_PReNet2.pth",
    "prenet_gru-real": "prenet_family/logs_Ablation_PReNet6_GRU_net_latest.pth",
    "prenet_x-real": "prenet_family/logs_Ablation_PReNet6_x_net_latest.pth",
    "jorder_e_practical-real": "jorder_e/model_practical.pt",
}


def written(restorer: Restorer, pixels: np.ndarray) -> np.ndarray:
    """What the authors' program would write for a picture."""
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255
    restored = restore(restorer, image).permute(1, 2, 0).numpy()
    return to_uint8(restored, rounding=restorer.card.rounding)


def assert_same_picture(found: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(found.astype(int) - expected)
    # A value on the edge between two may fall to either side.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


@pytest.mark.parametrize("golden", BUILDERS)
def test_a_picture_comes_out_as_from_the_authors_program(
    golden: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared / "parity" / "golden" / golden
    monkeypatch.syspath_prepend(str(folder.parents[1]))
    from check import check  # pyright: ignore[reportMissingImports]

    network = BUILDERS[golden]()
    check(str(folder), lambda: network, call=lambda *_: 0.0, verbose=False)
    arrays = np.load(folder / "golden.npz")
    restorer = Restorer(name=NAMES[golden], network=network).eval()
    assert_same_picture(written(restorer, arrays["pipe_in"]), arrays["pipe_out"])


@torch.no_grad()
@pytest.mark.parametrize("golden", WEIGHTS)
def test_the_authors_weights_give_the_authors_outputs(golden: str, shared: Path) -> None:
    arrays = np.load(shared / "parity" / "golden" / golden / "golden.npz")
    name = NAMES[golden.removesuffix("-real")]
    restorer = load_restorer(name, shared / "reference" / "weights" / WEIGHTS[golden])
    network: Any = restorer.network
    scale = 255 if name == "jorder-e" else 1
    degraded = torch.from_numpy(arrays["x0"]) / scale
    np.testing.assert_allclose(scale * network(degraded), arrays["y0"], atol=1e-4 * arrays["y0"].std())
    if name != "jorder-e":
        stages = torch.cat(network.predictions(degraded))
        np.testing.assert_allclose(stages, arrays["y0_stages"], atol=1e-4 * arrays["y0"].std())
    assert_same_picture(written(restorer, arrays["pipe_in"]), arrays["pipe_out"])


@pytest.mark.parametrize("name", ["prenet", "prenet-lstm"])
def test_the_weights_for_real_rain_are_refused_by_the_networks_that_they_would_load_into(
    name: str, shared: Path
) -> None:
    with pytest.raises(UserError, match="prenet-generator"):
        load_restorer(name, shared / "reference" / "weights" / "prenet" / "real_PReNet2.pth")


def luma_error(first: np.ndarray, second: np.ndarray) -> float:
    """Mean squared error of the luminance, in grey levels squared."""
    weights = np.array([65.481, 128.553, 24.966]) / 255
    return float(np.mean(((first.astype(float) - second) @ weights) ** 2))


def test_jorders_caffe_models_take_away_the_rain_that_they_were_trained_on(shared: Path) -> None:
    pictures = shared / "reference" / "data" / "Rain100H"
    crop = np.s_[40:200, 100:300]
    degraded, clean = (np.asarray(Image.open(pictures / part / "1.png").convert("RGB"))[crop] for part in ("LQ", "GT"))
    before = luma_error(degraded, clean)
    errors = {}
    for kind in ("heavy", "light"):
        model = shared / "reference" / "weights" / "jorder" / f"rain_removal_single_{kind}.caffemodel"
        errors[kind] = luma_error(written(load_restorer("jorder", model), degraded), clean)
    assert errors["heavy"] < before / 15
    # The light model knows thinner streaks only, yet it does no harm.
    assert errors["heavy"] < errors["light"] < before


def test_the_digests_on_the_cards_are_those_of_the_files(shared: Path) -> None:
    given = {path: sha256_file(path) for path in (shared / "reference" / "weights").glob("*/*")}
    sizes = {digest: path.stat().st_size for path, digest in given.items()}
    known = [file for name in NAMES.values() for file in NETWORKS[name].files if file.sha256]
    assert len({file.sha256 for file in known}) == 5
    assert all(sizes[file.sha256 or ""] == file.size for file in known)
