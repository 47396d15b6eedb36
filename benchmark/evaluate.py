"""A network, or a folder of restored images, on a test set under a protocol: the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.dataset import Dataset, Pair
from benchmark.metrics import METRICS
from benchmark.metrics.scorer import Scorer
from benchmark.protocols import Protocol
from benchmark.provenance import birth_certificate
from benchmark.results import Result
from benchmark.scores import Cost, Group, Method, ProtocolId, Score, TestSet
from benchmark.sources.pairing import SAME, pair_by_name
from benchmark.statistics import bootstrap_interval, grouped_bootstrap_interval
from models.files import sha256_file, sha256_json
from models.images import list_images, read, to_float
from models.peak import peak_memory

if TYPE_CHECKING:
    from models.restorer import Restorer

BATCH_PIXELS = 512 * 512  # neighbours of equal size share a batch up to this many pixels


@dataclass(frozen=True)
class Restored:
    """One scored image: its pair's key and type, and what the method made of it (float RGB, not clamped, or uint8)."""

    key: str
    degradation: str
    clean: np.ndarray
    restored: np.ndarray


def restore_pairs(
    restorer: Restorer, pairs: Iterable[Pair], *, max_memory: int | None = None
) -> Iterator[tuple[Restored, float]]:
    """Restore pairs in their order, equal sizes together, and yield each with the seconds it took.

    A sampled network draws each image's noise from the key of its pair, so neighbours do not matter.
    """
    import torch

    from models.inference import restore

    for batch in _batches(pairs):
        pixels = np.stack([to_float(pair.degraded) for pair in batch])
        started = time.perf_counter()
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
        out = restore(restorer, images, keys=[pair.key for pair in batch], max_memory=max_memory)
        arrays = out.permute(0, 2, 3, 1).numpy()
        seconds = (time.perf_counter() - started) / len(batch)
        for pair, array in zip(batch, arrays, strict=True):
            yield Restored(pair.key, pair.degradation, pair.clean, array), seconds


def _batches(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    for shape, same in groupby(pairs, key=lambda pair: pair.degraded.shape):
        most = max(1, BATCH_PIXELS // (shape[0] * shape[1]))
        batch: list[Pair] = []
        for pair in same:
            batch.append(pair)
            if len(batch) == most:
                yield batch
                batch = []
        if batch:
            yield batch


def score(
    scorer: Scorer, images: Iterable[Restored], *, progress: Callable[[int], None] = lambda done: None
) -> list[dict[str, Any]]:
    """Score images one by one and return a row each: key, degradation and the per-image metrics."""
    rows = []
    for number, image in enumerate(images, start=1):
        values = scorer.add(image.degradation, image.key, image.restored, image.clean)
        rows.append({"key": image.key, "degradation": image.degradation, **values})
        progress(number)
    return rows


def summarise(scorer: Scorer, rows: list[dict[str, Any]]) -> tuple[dict[str, Score], dict[str, Group], dict[str, str]]:
    """Turn per-image rows into means with 95 % intervals, per type and over the types (each counting the same).

    Returns:
        The overall scores, the groups by degradation, and for each absent metric a line that says what would fill it.
    """
    groups: dict[str, Group] = {}
    columns: dict[str, dict[str, list[float]]] = {}
    missing = dict(scorer.missing)
    for word in dict.fromkeys(row["degradation"] for row in rows):
        mine = [row for row in rows if row["degradation"] == word]
        scores: dict[str, Score] = {}
        for name, card in METRICS.items():
            if card.kind == "image" and name in mine[0]:
                values = [float(row[name]) for row in mine]
                columns.setdefault(name, {})[word] = values
                interval = bootstrap_interval(values)
                scores[name] = Score(value=float(np.mean(values)), n=len(mine), ci95=interval)
        if "fid" in scorer.metrics and len(mine) > 1:
            scores["fid"] = Score(value=scorer.set_scores(word)["fid"], n=len(mine))
        groups[word] = Group(n=len(mine), metrics=scores)
    overall: dict[str, Score] = {}
    for name in METRICS:
        having = [group.metrics[name].number for group in groups.values() if name in group.metrics]
        if len(having) < len(groups):
            if having:
                missing[name] = "every type needs at least two images"
            continue
        interval = grouped_bootstrap_interval(list(columns[name].values())) if name in columns else None
        overall[name] = Score(value=sum(having) / len(having), n=len(rows), ci95=interval)
    return overall, groups, missing


def evaluate_network(
    restorer: Restorer,
    dataset: Dataset,
    protocol: Protocol,
    *,
    method: Method,
    max_memory: int | None = None,
    keep: Callable[[Restored], None] = lambda image: None,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Result, list[dict[str, Any]]]:
    """Restore and score the test split of a dataset.

    Arguments:
        restorer: The network, ready to restore.
        dataset: A dataset with a test split.
        protocol: How the metrics are computed.
        method: Name, title and weights of what is evaluated.
        max_memory: Bytes that restoring may use; larger images are tiled.
        keep: Called with every restored image, for galleries.
        progress: Called with the number of images done.

    Returns:
        The result and one row an image.
    """
    scorer = Scorer(protocol, device=str(restorer.device))
    seconds: list[float] = []

    def images() -> Iterator[Restored]:
        for image, took in restore_pairs(restorer, dataset.pairs("test"), max_memory=max_memory):
            seconds.append(took)
            keep(image)
            yield image

    rows = score(scorer, images(), progress=progress)
    overall, groups, missing = summarise(scorer, rows)
    facts = dataset.split("test")
    result = Result(
        method=method,
        test_set=TestSet(
            name=dataset.name,
            title=dataset.name,
            digest=facts["digest"],
            n=facts["rows"],
            degradations=tuple(dataset.degradations("test")),
        ),
        protocol=ProtocolId(protocol.name, protocol.version),
        n=len(rows),
        metrics=overall,
        groups=groups,
        missing=missing,
        cost=Cost(
            seconds_per_image=round(float(np.mean(seconds)), 5),
            peak_memory_bytes=peak_memory(),
            nfe=restorer.nfe,
            **count_flops(restorer),
        ),
        sampler=sampler_facts(restorer),
        seed=restorer.sampling.seed,
        **birth_certificate(),
    )
    return result, rows


def count_flops(restorer: Restorer, side: int = 256) -> dict[str, Any]:
    """Return the floating-point operations of restoring a `side` x `side` image, as `Cost` takes them.

    A sampled network is run once and counted as often as the sampler calls it.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    image = torch.zeros(1, 3, side, side, device=restorer.device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        embeddings = restorer.embed(image)
        once = counter.get_total_flops()
        if restorer.card.sampler:
            restorer.predict(image, image, image.new_ones(1), embeddings=embeddings)
        else:
            restorer.apply_network(image, embeddings)
    call = counter.get_total_flops() - once
    calls = restorer.nfe if restorer.card.sampler else 1
    return {"flops": once + calls * call, "flops_size": f"{side}x{side}"}


def sampler_facts(restorer: Restorer) -> dict[str, Any] | None:
    """Return what a result says about how a network was sampled; None for one that restores in one pass."""
    return restorer.sampling.facts(restorer.sde) if restorer.card.sampler else None


def evaluate_folder(
    restored: Path,
    clean: Path,
    protocol: Protocol,
    *,
    method: str,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Result, list[dict[str, Any]]]:
    """Score a folder of restored images against a folder of clean ones, matched by name.

    Arguments:
        restored: Images that any method wrote.
        clean: Their clean images, with the same names (the extension may differ).
        protocol: How the metrics are computed.
        method: What the restored images are attributed to.
        progress: Called with the number of images done.

    Raises:
        UserError: Names do not match, or two images differ in size.
    """
    pairs = pair_by_name(list_images(restored), list_images(clean), rules=(SAME,), roles=("restored", "clean"))
    scorer = Scorer(protocol)
    digests = {"restored": [], "clean": []}

    def images() -> Iterator[Restored]:
        for restored_file, clean_file in pairs:
            digests["restored"].append([restored_file.stem, sha256_file(restored_file)])
            digests["clean"].append([clean_file.stem, sha256_file(clean_file)])
            yield Restored(restored_file.stem, "all", read(clean_file), read(restored_file))

    rows = score(scorer, images(), progress=progress)
    overall, _, missing = summarise(scorer, rows)
    result = Result(
        method=Method(name=method, title=method, restored_digest=sha256_json(digests["restored"])),
        test_set=TestSet(clean.name, clean.name, sha256_json(digests["clean"]), len(rows), ()),
        protocol=ProtocolId(protocol.name, protocol.version),
        n=len(rows),
        metrics=overall,
        groups={},
        missing=missing,
        cost=Cost(),
        sampler=None,
        seed=None,
        **birth_certificate(),
    )
    return result, rows
