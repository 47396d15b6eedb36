"""The reference that evaluation is timed against computes the same numbers by its own code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmark.evaluation.scoring.scorer import MultiScorer
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.speed import MEASUREMENTS
from benchmark.speed.authors.evaluation import Clock, random_alexnet, reference_scores
from benchmark.speed.evaluate import evaluate_speed, metric_weights, write_pairs
from models.images.pixels import read


def test_the_reference_and_ours_give_the_same_numbers_of_each_image(tmp_path: Path) -> None:
    restored, clean = write_pairs(tmp_path, 2, (64, 96))
    assert [read(file).shape for file in clean] == [(64, 96, 3), (96, 64, 3)]
    torch.save(random_alexnet(), tmp_path / "alexnet.pth")
    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    features = {k.removeprefix("features."): v for k, v in random_alexnet().items() if k.startswith("features.")}
    network.net.load_state_dict({key: features[key.split(".", 1)[1]] for key in network.net.state_dict()}, strict=True)
    clock = Clock()
    found = reference_scores(restored, clean, network, clock)
    assert set(clock.seconds) == {"decode", "PSNR", "SSIM", "LPIPS"}
    rgb = replace(PROTOCOLS["daclip"], metrics=("psnr", "ssim", "lpips"))
    both = [rgb, replace(rgb, name="y", channels="y", metrics=("psnr", "ssim"))]
    scorer = MultiScorer(both, lpips_weights=tmp_path / "alexnet.pth")
    for number, (ours, theirs) in enumerate(zip(restored, clean, strict=True)):
        a, b = read(ours), read(theirs)
        scores = scorer.measure(a, b).scores
        for name in ("psnr", "ssim", "lpips"):
            assert found[name][number] == pytest.approx(scores["daclip"][name], abs=1e-5)
        for name in ("psnr", "ssim"):
            assert found[f"{name}_y"][number] == pytest.approx(scores["y"][name], abs=1e-5)
        a, b = a[4:-4, 4:-4], b[4:-4, 4:-4]
        assert found["psnr"][number] == pytest.approx(peak_signal_noise_ratio(b, a), abs=1e-6)
        theirs_ssim = structural_similarity(
            a, b, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
        )
        assert found["ssim"][number] == pytest.approx(theirs_ssim, abs=2e-3)  # it keeps the border, too


def test_random_weights_stand_in_only_where_the_published_ones_are_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("BENCH_WEIGHTS", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    files, real = metric_weights(tmp_path)
    assert not real
    assert {name: file.parent for name, file in files.items()} == {"lpips": tmp_path, "fid": tmp_path}
    assert all(np.isfinite(value.numpy()).all() for value in torch.load(files["lpips"], weights_only=True).values())


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_evaluation_is_measured_against_the_reference_and_the_numbers_agree() -> None:
    assert "eval" in MEASUREMENTS
    measured = evaluate_speed(images=6, size=(96, 128))
    difference = measured["difference"]
    assert all(difference[name] < 1e-5 for name in ("psnr", "ssim", "psnr_y", "ssim_y", "lpips"))
    # pytorch-fid takes the root of a singular matrix, whose last digits are noise
    assert difference["fid"] < 0.02 * measured["fid"]
    assert measured["ratio"] > 1
    assert measured["warm_ratio"] > measured["ratio"]
