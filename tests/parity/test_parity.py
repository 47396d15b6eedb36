"""Our networks against the keys and outputs of the published ones."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from builders import BUILDERS, CALLS, RENAMES

from models.daclip.build import build_daclip
from models.daclip.config import resolve
from models.daclip.controller import DaClip
from models.daclip.tokenise import tokenise
from models.networks.ir_sde.network import ConditionalUNet, WildUNet
from models.vocabulary import DEGRADATIONS

SLOW = {"daclip_vit_l_14"}


@pytest.fixture
def check(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, Any]]]:
    """The independent comparison of `shared/parity/check.py`, on one thread as the goldens were made."""
    monkeypatch.syspath_prepend(str(shared / "parity"))
    from check import check as compare  # pyright: ignore[reportMissingImports]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield compare
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in BUILDERS])
def test_a_network_has_the_published_keys_and_outputs(name: str, shared: Path, check: Any) -> None:
    folder = shared / "parity" / "golden" / name
    # A folder without keys holds a plain function: there is no module to fill.
    build = BUILDERS[name] if (folder / "keys.json").is_file() else lambda: None
    report = check(str(folder), build, call=CALLS.get(name), rename=RENAMES.get(name))
    assert report["ok"], report
    if "params" in report:
        assert not report["order_differs"]
        assert report["params"][0] == report["params"][1]


class ForwardOrder(DaClip):
    """The mistake that loads every key and gives wrong embeddings: control added first block first."""

    def encode_image(self, image: torch.Tensor, *, control: bool = False, normalize: bool = False) -> Any:
        transformer = self.visual_control.transformer
        forward = transformer.forward
        transformer.forward = lambda tokens: (lambda out: (out[0], out[1][::-1]))(forward(tokens))
        try:
            return super().encode_image(image, control=control, normalize=normalize)
        finally:
            del transformer.forward


def test_control_added_in_forward_order_fails_the_golden(shared: Path, check: Any) -> None:
    config = resolve("ViT-B-32")
    config["text_cfg"] |= {"layers": 1, "width": 64, "heads": 1, "vocab_size": 2}  # not needed, and slow to fill

    def build() -> DaClip:
        return ForwardOrder(build_daclip(clip=config, pretrained=None).clip)

    folder = str(shared / "parity" / "golden" / "daclip_vit_b_32")
    report = check(folder, build, call=CALLS["daclip_vit_b_32"], verbose=False)
    assert not [key for key in report["missing"] + report["unexpected"] if "visual" in key]
    assert not report["cases"]["encode_image_control/image_features"]["ok"]
    assert report["cases"]["encode_image_control/degra_features"]["ok"]


def wave(shape: tuple[int, ...], frequency: float) -> torch.Tensor:
    return torch.from_numpy(np.sin(frequency * np.arange(np.prod(shape))).astype(np.float32).reshape(shape))


def fill_with_sines(module: torch.nn.Module) -> None:
    """The second, older fill rule of the reference numbers: a sine whose phase comes from the key."""
    seen = set()
    for key, value in module.state_dict(keep_vars=True).items():
        if id(value) in seen:
            continue
        seen.add(id(value))
        phase = (zlib.crc32(key.encode()) % 1000) / 100
        values = 0.02 * np.sin(0.1 * np.arange(value.numel()) + phase)
        if (value.ndim == 1 and key.endswith(".weight")) or key.endswith(".g"):
            values += 1
        value.data.copy_(torch.from_numpy(values.astype(np.float32).reshape(value.shape)))


@pytest.mark.slow
@torch.no_grad()
def test_daclip_gives_the_reference_numbers_of_the_second_fill_rule(shared: Path) -> None:
    golden = json.loads((shared / "parity" / "golden.json").read_text())["daclip_ViT-B-32"]
    daclip = build_daclip(clip="ViT-B-32", pretrained=None).eval()
    fill_with_sines(daclip)
    image = wave((2, 3, 224, 224), 0.013)
    tokens = tokenise(DEGRADATIONS)
    content, degradation = daclip.embed(image)
    results = {
        "content": content,
        "degra": degradation,
        "plain": daclip.encode_image(image),
        "text": daclip.encode_text(tokens),
    }
    for name, result in results.items():
        values = result.double().flatten()
        # Printed with six decimals: two units of the last one, wider where values are larger.
        np.testing.assert_allclose(values[:5], golden[name]["first5"], atol=2e-6, rtol=2e-5, err_msg=name)
        np.testing.assert_allclose(values[-3:], golden[name]["last3"], atol=2e-6, rtol=2e-5, err_msg=name)
        assert float(values.std()) == pytest.approx(golden[name]["std"], abs=2e-5)
    assert tokens[:, :8].tolist() == golden["tokens"]


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "build", "length"), [("universal-ir", ConditionalUNet, 512), ("wild-ir", WildUNet, 768)]
)
def test_the_unets_give_the_reference_numbers_of_the_second_fill_rule(
    name: str, build: Callable[[], torch.nn.Module], length: int, shared: Path
) -> None:
    golden = json.loads((shared / "parity" / "golden.json").read_text())[name]
    network = build().eval()
    fill_with_sines(network)
    size = (2, 3, 37, 50)  # no multiple of anything: padding and cropping are in these numbers
    noise = network(
        wave(size, 0.11),
        wave(size, 0.07),
        torch.tensor([3.0, 77.0]),
        degradation=wave((2, length), 0.3),
        content=wave((2, length), 0.21),
    )
    assert noise.shape == size
    values = noise.double().flatten()
    np.testing.assert_allclose(values[:5], golden["first5"], atol=2e-6)
    np.testing.assert_allclose(values[-3:], golden["last3"], atol=2e-6)
    assert float(values.mean()) == pytest.approx(golden["mean"], abs=1e-6)
    assert float(values.std()) == pytest.approx(golden["std"], abs=1e-6)
    assert float(values.abs().sum()) == pytest.approx(golden["abssum"], abs=1e-2)
