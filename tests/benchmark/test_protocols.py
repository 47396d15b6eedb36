"""The protocols are data: what each one fixes, and that it can be listed without heavy imports."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from benchmark.protocols import PROTOCOLS
from models.errors import UserError


def test_the_four_protocols_are_listed_in_order() -> None:
    assert list(PROTOCOLS) == ["daclip", "daclip-table2", "daclip-derain-y", "modern"]


@pytest.mark.parametrize(
    ("name", "channels", "crop", "order", "lpips_input"),
    [
        ("daclip", "rgb", 4, "rgb", "float"),
        ("daclip-table2", "rgb", 0, "bgr", "8bit"),
        ("daclip-derain-y", "y", 0, "bgr", "8bit"),
        ("modern", "rgb", 0, "rgb", "8bit"),
    ],
)
def test_each_protocol_fixes_its_choices(name: str, channels: str, crop: int, order: str, lpips_input: str) -> None:
    protocol = PROTOCOLS[name]
    assert (protocol.channels, protocol.crop, protocol.lpips_order, protocol.lpips_input) == (
        channels,
        crop,
        order,
        lpips_input,
    )
    assert (protocol.ssim, protocol.rounding, protocol.lpips_net, protocol.fid) == (
        "gaussian",
        "round",
        "alex",
        "pytorch-fid",
    )


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_versioned_described_and_loads(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.identifier == f"{name}-v{protocol.version}"
    assert protocol.description.endswith(".")
    assert protocol.title
    assert protocol.reference
    assert PROTOCOLS.load(name).__name__ == "Scorer"
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocol.crop = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_mistyped_protocol_names_the_close_one() -> None:
    with pytest.raises(UserError, match="did you mean 'daclip-table2'"):
        PROTOCOLS["daclip-table"]


@pytest.mark.parametrize("module", ["benchmark.protocols", "benchmark.metrics"])
def test_catalogues_import_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*({{'torch', 'numpy', 'cv2', 'scipy', 'lpips'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_scorer_module_does_not_import_torch_until_it_is_used() -> None:
    code = "import sys, benchmark.metrics.scorer; print(*({'torch', 'lpips', 'pytorch_fid'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
