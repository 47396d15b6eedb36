"""The protocols are data: what each one fixes, and that it can be listed without heavy imports."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from benchmark.metrics import METRICS
from benchmark.metrics.protocols import PROTOCOLS
from models.errors import UserError


def test_the_protocols_are_listed_in_order() -> None:
    assert list(PROTOCOLS) == [
        "daclip",
        "daclip-table2",
        "daclip-derain-y",
        "daclip-table2-vgg",
        "restormer-y",
        "promptir",
        "nafnet-tlc",
        "modern",
    ]


@pytest.mark.parametrize(
    ("name", "channels", "y_rounding", "crop_multiple", "psnr_input", "ssim"),
    [
        ("restormer-y", "y", True, 1, "8bit", "gaussian"),
        ("promptir", "rgb", False, 16, "float", "uniform"),
        ("nafnet-tlc", "rgb", False, 1, "8bit", "matlab"),
    ],
)
def test_protocols_of_other_papers_fix_theirs(
    name: str, channels: str, y_rounding: bool, crop_multiple: int, psnr_input: str, ssim: str
) -> None:
    protocol = PROTOCOLS[name]
    assert (protocol.channels, protocol.y_rounding, protocol.crop_multiple) == (channels, y_rounding, crop_multiple)
    assert (protocol.psnr_input, protocol.ssim, protocol.crop) == (psnr_input, ssim, 0)
    assert protocol.metrics == ("psnr", "ssim")


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
    assert (protocol.ssim, protocol.lpips_net, protocol.fid) == ("gaussian", "alex", "pytorch-fid")
    assert (protocol.psnr_input, protocol.crop_multiple, protocol.y_rounding) == ("8bit", 1, False)
    assert protocol.metrics == ("psnr", "ssim", "lpips", "fid", "kid")[: 5 if name == "modern" else 4]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_versioned_and_described(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.identifier == f"{name}-v{protocol.version}"
    assert protocol.description.endswith(".")
    assert protocol.title
    assert protocol.reference
    assert set(protocol.metrics) <= set(METRICS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocol.crop = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_mistyped_protocol_names_the_close_one() -> None:
    with pytest.raises(UserError, match="did you mean 'daclip-table2'"):
        PROTOCOLS["daclip-table"]


@pytest.mark.parametrize("module", ["benchmark.metrics.protocols", "benchmark.metrics"])
def test_catalogues_import_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*({{'torch', 'numpy', 'cv2', 'scipy', 'lpips'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_scorer_module_does_not_import_torch_until_it_is_used() -> None:
    heavy = "{'torch', 'lpips', 'pytorch_fid'}"
    code = f"import sys, benchmark.evaluation.scoring.scorer; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
