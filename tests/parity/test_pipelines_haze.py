"""Dehazing networks and URetinex-Net from 8 bits to 8 bits, and with the weights of their authors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from golden_haze import BUILDERS
from golden_low_light import BUILDERS as LOW_LIGHT

from models.inference.loading import load_restorer
from models.inference.restore import restore
from models.inference.restorer import Restorer

CASES: dict[str, Any] = {
    "gcanet": ("gcanet", BUILDERS["gcanet"]),
    "griddehazenet": ("griddehazenet", BUILDERS["griddehazenet"]),
    "dehazeformer_t": ("dehazeformer-t", BUILDERS["dehazeformer_t"]),
    "dehazeformer_s": ("dehazeformer-s", BUILDERS["dehazeformer_s"]),
    "dehazeformer_b": ("dehazeformer-b", BUILDERS["dehazeformer_b"]),
    "uretinexnet": ("uretinex", LOW_LIGHT["uretinexnet"]),
}
REAL = {"gcanet-real": ("gcanet", "gcanet/wacv_gcanet_dehaze.pth"), "uretinexnet-real": ("uretinex", "uretinexnet")}


def as_image(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def as_pixels(restorer: Restorer, image: torch.Tensor) -> np.ndarray:
    scaled = 255 * image.clamp(0, 1)
    scaled = scaled.round() if restorer.card.rounding == "round" else scaled.floor()
    return scaled.byte().permute(1, 2, 0).numpy()


def filled(golden: Path, monkeypatch: pytest.MonkeyPatch) -> Restorer:
    """The network with the weights that the golden was made with."""
    monkeypatch.syspath_prepend(str(golden.parents[1]))
    from check import check  # pyright: ignore[reportMissingImports]

    name, build = CASES[golden.name]
    network = build()
    check(str(golden), lambda: network, call=lambda *_: 0.0, verbose=False)
    return Restorer(name=name, network=network).eval()


def assert_same_but_for_rounding(found: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 2e-3


@pytest.mark.parametrize("name", CASES)
def test_the_pipeline_gives_the_authors_image(name: str, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = shared / "parity" / "golden" / name
    arrays = np.load(golden / "golden.npz")
    pixels = arrays["pipe_in"]
    if name == "gcanet":
        # Their script first resizes to multiples of 4; we never do.
        height, width = (side // 4 * 4 for side in pixels.shape[:2])
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height)))
    restorer = filled(golden, monkeypatch)
    restored = restore(restorer, as_image(pixels))
    assert_same_but_for_rounding(as_pixels(restorer, restored), arrays["pipe_out"])


@pytest.mark.parametrize("name", REAL)
def test_the_authors_weights_give_the_authors_output(name: str, shared: Path) -> None:
    network, weights = REAL[name]
    arrays = np.load(shared / "parity" / "golden" / name / "golden.npz")
    restorer = load_restorer(network, shared / "reference" / "weights" / weights)
    module: Any = restorer.network
    with torch.no_grad():
        found = module.published(torch.from_numpy(arrays["x0"]))
    outputs = [key for key in arrays.files if key.startswith("y0")]
    for key, output in zip(outputs, found if isinstance(found, tuple) else [found], strict=True):
        expected = torch.from_numpy(arrays[key])
        assert float((output - expected).abs().max()) < 1e-4 * float(expected.std()), key
    restored = restore(restorer, as_image(arrays["pipe_in"]))
    assert_same_but_for_rounding(as_pixels(restorer, restored), arrays["pipe_out"])


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((first.astype(float) - second.astype(float)) ** 2).mean()))


@pytest.mark.slow
def test_uretinex_has_the_published_psnr_on_the_dark_test_images(shared: Path) -> None:
    restorer = load_restorer("uretinex", shared / "reference" / "weights" / "uretinexnet")
    folder = shared / "reference" / "data" / "LOL_eval15"
    scores = []
    for path in sorted((folder / "LQ").glob("*.png")):
        restored = restore(restorer, as_image(np.asarray(Image.open(path).convert("RGB"))))
        clean = np.asarray(Image.open(folder / "GT" / path.name).convert("RGB"))
        scores.append(psnr(as_pixels(restorer, restored), clean))
    assert len(scores) == 15
    assert np.mean(scores) == pytest.approx(19.84, abs=0.005)
