"""How fast restored images are scored, against the authors' script and a run of pytorch-fid after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.engine import default_workers
from benchmark.engine.scratch import scratch_folder
from benchmark.speed.authors.evaluation import (
    CROP,
    Clock,
    random_alexnet,
    random_inception,
    reference_fid,
    reference_scores,
)
from benchmark.speed.build import write_mosaics
from models.images.pixels import encode_png, read, to_float

if TYPE_CHECKING:
    from benchmark.evaluation.collect import Evaluated

IMAGES = 100
SIZE = (320, 480)


def evaluate_speed(*, images: int = IMAGES, size: tuple[int, int] = SIZE) -> dict[str, Any]:
    """Time the evaluation of a folder of restored images, cold and with the clean images' features known.

    The reference is the authors' script, which computes PSNR and SSIM on RGB (three times the same) and on Y and LPIPS
    image by image, and then pytorch-fid, which reads both folders again with batches of one and takes the root of a
    2048x2048 matrix. Ours gives the same numbers. Loading the networks is counted for neither.

    Arguments:
        images: How many; every second one is upright.
        size: Rows and columns of the others.

    Returns:
        Seconds of all three, their ratios, what each part took, and by how much the numbers differ.
    """
    import torch

    from benchmark.evaluation.scoring.scorer import MultiScorer
    from benchmark.evaluation.store import Store
    from benchmark.evaluation.submission.score import evaluate_restored, match_restored, references_of_pictures
    from benchmark.metrics.inception import build_network as build_inception
    from benchmark.metrics.lpips import build_network as build_lpips
    from benchmark.metrics.protocols import PROTOCOLS

    rgb = PROTOCOLS["daclip"]
    protocols = [rgb, replace(rgb, name="brightness", channels="y", metrics=("psnr", "ssim"))]
    with scratch_folder() as root:
        weights, real = metric_weights(root)
        restored, clean = write_pairs(root, images, size)
        lpips, inception = (
            network.to(memory_format=torch.contiguous_format)  # ours arrange memory in another way
            for network in (build_lpips(weights["lpips"]), build_inception(weights["fid"]))
        )
        scorers = [
            MultiScorer(
                protocols, lpips_weights=weights["lpips"], fid_weights=weights["fid"], feature_cache=root / "features"
            )
            for _ in range(2)
        ]
        reference_scores(restored[:1], clean[:1], lpips, Clock())  # the first call pays for what is set up once
        clock, whole = Clock(), Clock()
        scores, fid = whole.time(
            "reference",
            lambda: (
                reference_scores(restored, clean, lpips, clock),
                reference_fid(restored, clean, inception, clock),
            ),
        )

        def ours(scorer: MultiScorer) -> list[Evaluated]:
            references = references_of_pictures(clean[0].parent)
            submission = match_restored(restored[0].parent, references)
            store = Store(root, "speed")
            evaluated = evaluate_restored(
                submission,
                references,
                protocols,
                method="ours",
                scorer=scorer,
                store=store,
                workers=default_workers(),
            )
            store.remove()
            return evaluated

        results = whole.time("cold", ours, scorers[0])
        whole.time("warm", ours, scorers[1])
        parts = part_seconds(restored, clean, weights)
    reference, cold, warm = (whole.seconds[name] for name in ("reference", "cold", "warm"))
    busy = whole.processor
    found = {name: results[0].result.metrics[name].number for name in ("psnr", "ssim", "lpips", "fid")}
    found |= {f"{name}_y": results[1].result.metrics[name].number for name in ("psnr", "ssim")}
    expected = {**{name: float(np.mean(values)) for name, values in scores.items()}, "fid": fid}
    away = {name: abs(found[name] - expected[name]) for name in expected}
    return {
        "what": "eval",
        "images": images,
        "size": f"{size[1]}x{size[0]}",
        "weights": "published" if real else "random, published architectures",
        "threads": torch.get_num_threads(),
        "reference_seconds": round(reference, 3),
        "cold_seconds": round(cold, 3),
        "warm_seconds": round(warm, 3),
        "ratio": round(reference / cold, 3),
        "warm_ratio": round(reference / warm, 3),
        "processor_seconds": {name: round(value, 3) for name, value in busy.items()},
        "processor_ratio": round(busy["reference"] / busy["cold"], 3),
        "warm_processor_ratio": round(busy["reference"] / busy["warm"], 3),
        "reference_parts": {name: round(value, 3) for name, value in clock.seconds.items()},
        "reference_processor_parts": {name: round(value, 3) for name, value in clock.processor.items()},
        "parts": parts,
        "difference": away,
        "fid": fid,
        "summary": [
            f"eval: {images} images of {size[1]}x{size[0]} and {size[0]}x{size[1]}, {torch.get_num_threads()} threads: "
            f"reference {reference:.1f} s, ours {cold:.1f} s cold ({reference / cold:.2f} times as fast) and "
            f"{warm:.1f} s with the clean images' features known ({reference / warm:.2f} times); in processor seconds "
            f"{busy['reference']:.1f}, {busy['cold']:.1f} ({busy['reference'] / busy['cold']:.2f} times) and "
            f"{busy['warm']:.1f} ({busy['reference'] / busy['warm']:.2f} times)",
            "reference, processor seconds: "
            + ", ".join(f"{name} {value:.1f}" for name, value in clock.processor.items()),
            "ours, part by part, processor seconds: "
            + ", ".join(f"{name} {value:.1f}" for name, value in parts.items()),
            "the numbers differ by at most "
            + ", ".join(f"{name} {value:.1g}" for name, value in away.items())
            + f" (FID {fid:.2f})",
        ],
    }


def write_pairs(root: Path, count: int, size: tuple[int, int]) -> tuple[list[Path], list[Path]]:
    """Write clean mosaics and noisy copies of them, every second one upright, and return both lists of files."""
    generator = np.random.default_rng(1)
    clean, restored = root / "clean", root / "restored"
    for folder in (clean, restored):
        folder.mkdir()
    files = write_mosaics(clean, count, size)
    for number, file in enumerate(files):
        pixels = read(file)
        if number % 2:
            pixels = np.ascontiguousarray(pixels.transpose(1, 0, 2))
            file.write_bytes(encode_png(pixels))
        noisy = pixels + generator.normal(0, 10, pixels.shape)
        (restored / file.name).write_bytes(encode_png(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))
    return [restored / file.name for file in files], files


def metric_weights(root: Path) -> tuple[dict[str, Path], bool]:
    """Return the weight files of LPIPS and FID and whether they are the published ones, else random ones in `root`."""
    import torch

    from benchmark.downloads.find import ALEXNET, INCEPTION, MissingWeights, find_weight_file

    try:
        return {"lpips": find_weight_file(ALEXNET), "fid": find_weight_file(INCEPTION)}, True
    except MissingWeights:
        files = {"lpips": root / "alexnet.pth", "fid": root / "inception.pth"}
        torch.save(random_alexnet(), files["lpips"])
        torch.save(random_inception(), files["fid"])
        return files, False


def part_seconds(restored: Sequence[Path], clean: Sequence[Path], weights: dict[str, Path]) -> dict[str, float]:
    """Return the processor seconds of each part of ours when it is done alone, one image after the other."""
    from benchmark.metrics.border import crop_border
    from benchmark.metrics.inception import InceptionFeatures
    from benchmark.metrics.lpips import Lpips
    from benchmark.metrics.luma import luma
    from benchmark.metrics.psnr import psnr
    from benchmark.metrics.ssim import ssim

    distance, features, clock = Lpips(weights["lpips"]), InceptionFeatures(weights["fid"]), Clock()
    for ours, theirs in zip(restored, clean, strict=True):
        pair = [clock.time("decode", read, file) for file in (ours, theirs)]
        small = [crop_border(image, pixels=CROP) for image in pair]
        bright = [luma(image) for image in small]
        for images in (small, bright):
            clock.time("PSNR", psnr, *images)
            clock.time("SSIM", ssim, *images)
        clock.time("LPIPS", distance, *map(to_float, pair))
        clock.time("Inception, restored", features, pair[0])
        clock.time("Inception, clean", features, pair[1])
    return {name: round(value, 3) for name, value in clock.processor.items()}
