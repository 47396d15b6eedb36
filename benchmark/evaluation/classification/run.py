"""What `bench eval --table classification` does for each DA-CLIP: find it, classify, write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.dataset.folder import Dataset
from benchmark.engine.progress import progress_bar
from benchmark.evaluation.classification.classify import classify_images
from benchmark.evaluation.jobs import finished_runs
from benchmark.results.classification import ClassificationResult, write_classification
from benchmark.results.parts import Method, TestSet
from benchmark.results.provenance import birth_certificate
from models.errors import UserError
from models.inference.cpu import best_device
from models.weights.opened import open_weights


def classify_all(
    *, data: Path, runs: Path | None, weights: Path | None, leaderboards: Path, device: str | None
) -> list[ClassificationResult]:
    """Classify the test images with every DA-CLIP and with the frozen CLIP inside it, and write a result each."""
    from models.daclip.build import load_daclip

    dataset = Dataset(data)
    found = [weights] if weights else finished_runs(runs, "daclip") if runs else []
    if not found:
        raise UserError("no DA-CLIP to classify with: give --runs DIR with a finished daclip run, or --weights FILE")
    facts = dataset.split("test")
    words = tuple(dataset.degradations("test"))
    test_set = TestSet(dataset.name, dataset.name, facts["digest"], facts["rows"], words)
    results = []
    for where in found:
        opened = open_weights(where)
        daclip = load_daclip(opened)
        metadata: dict[str, Any] = opened.metadata
        start = metadata.get("recipe", {}).get("arch", {}).get("pretrained", "published")
        clip = "CLIP (frozen, random weights)" if start is None else "CLIP (frozen)"
        name = where.resolve().name if where.is_dir() else where.stem
        for suffix, title, plain in (("clip", clip, True), ("daclip", "DA-CLIP", False)):
            with progress_bar(f"classify {title}", facts["rows"]) as progress:
                answers = classify_images(
                    daclip, dataset, plain=plain, device=device or best_device(), progress=progress
                )
            digest = daclip.weights_sha256
            method = Method(name if suffix == "daclip" else f"{name}-{suffix}", title, "daclip", weights_sha256=digest)
            result = ClassificationResult.from_confusion(
                answers.confusion(),
                types=answers.types,
                calibration=answers.calibration(),
                method=method,
                test_set=test_set,
                seed=None,
                birth=birth_certificate(),
            )
            write_classification(leaderboards, result, answers.rows())
            results.append(result)
    return results
