"""Quality against the number of network calls: every sampler, few calls and many, on one test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.dataset.folder import Dataset, Pair
from benchmark.evaluation.collect import summaries
from benchmark.evaluation.pairs import restore_pair
from benchmark.evaluation.scoring.scorer import MultiScorer
from benchmark.evaluation.scoring.threads import score_images
from benchmark.metrics import METRICS
from benchmark.metrics.protocols import Protocol
from benchmark.results.sweep import SCHEMA, read_sweep, same_work
from models.errors import UserError
from models.files import write_sealed

if TYPE_CHECKING:
    from models.inference.restorer import Restorer

CALLS = (1, 2, 3, 5, 10, 20, 50, 100)


def cells_of(restorer: Restorer, samplers: Sequence[str], calls: Sequence[int]) -> list[tuple[str, int]]:
    """Return the pairs of sampler and network calls that are possible: some samplers visit whole steps only."""
    from models.diffusion.samplers import SAMPLERS

    return [
        (name, nfe)
        for name in samplers
        for nfe in sorted(set(calls))
        if nfe <= restorer.sde.last or SAMPLERS[name].grid != "steps"
    ]


def first_pairs(dataset: Dataset, per_type: int | None) -> Iterator[Pair]:
    """Yield the test pairs in order, at most `per_type` of each degradation."""
    seen: dict[str, int] = {}
    for pair in dataset.pairs("test"):
        seen[pair.degradation] = seen.get(pair.degradation, 0) + 1
        if per_type is None or seen[pair.degradation] <= per_type:
            yield pair


def sweep(
    restorer: Restorer,
    dataset: Dataset,
    protocol: Protocol,
    out: Path,
    *,
    method: dict[str, Any],
    cells: Sequence[tuple[str, int]],
    seed: int,
    per_type: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Restore and score the test split once for every pair of sampler and network calls.

    The file is rewritten after every pair, so a killed sweep continues where it was, and a finished one can be extended
    by further samplers or calls.

    Arguments:
        restorer: A diffusion network with its DA-CLIP.
        dataset: A dataset with a test split.
        protocol: How the metrics are computed.
        out: The JSON file.
        method: What is swept: its title, network and the digests of its weights and of its DA-CLIP.
        cells: Pairs of sampler and network calls.
        seed: Of the noise.
        per_type: Take only the first so many images of each degradation; None for all.
        progress: Called with the number of images restored.

    Returns:
        What the file holds: `identity`, and `cells` with sampler, prediction, nfe and the mean of each metric.

    Raises:
        UserError: The network is not sampled, or the file holds another sweep.
    """
    from models.diffusion.settings import Sampling

    if not restorer.card.sampler:
        raise UserError(f"network {restorer.card.name} restores in one pass: there is no number of calls to sweep over")
    identity = {
        **method,
        "sde": restorer.sde.settings(),
        "test_set": {"name": dataset.name, "digest": dataset.split("test")["digest"], "per_type": per_type},
        "protocol": f"{protocol.name} v{protocol.version}",
        "seed": seed,
        "daclip_sha256": method.get("daclip_sha256"),
        "device": restorer.device.type,
    }
    found: dict[str, Any] = {"schema": SCHEMA, "identity": identity, "cells": []}
    if out.is_file():
        found = read_sweep(out)
        if not same_work(found["identity"], identity):
            raise UserError(f"{out} holds a sweep of other weights, images or settings: choose another --out")
        found["identity"] = identity
    done = {(cell["sampler"], cell["nfe"]): cell for cell in found["cells"]}
    total = sum(1 for _ in first_pairs(dataset, per_type))
    for number, (name, nfe) in enumerate(cells):
        if (name, nfe) not in done:
            sampling = Sampling(sampler=name, nfe=nfe, seed=seed)
            restorer.sampling = sampling
            scorer = MultiScorer((protocol,), device=str(restorer.device))
            images = []
            for image in score_images(scorer, (restore_pair(restorer, p) for p in first_pairs(dataset, per_type))):
                images.append(image)
                progress(number * total + len(images))
            _, rows, summary = next(summaries(images, scorer, (protocol,)))
            done[name, nfe] = {
                "sampler": name,
                "prediction": sampling.facts(restorer.sde)["prediction"],
                "nfe": nfe,
                "n": len(rows),
                "metrics": {name: summary.metrics[name].number for name in METRICS if name in summary.metrics},
            }
            found["cells"] = [done[key] for key in sorted(done, key=_order)]
            write_sealed(out, found)
        progress((number + 1) * total)
    return found


def _order(cell: tuple[str, int]) -> tuple[int, int]:
    from models.diffusion.samplers import SAMPLERS

    return list(SAMPLERS).index(cell[0]), cell[1]
