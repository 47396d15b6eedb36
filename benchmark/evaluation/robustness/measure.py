"""A network under every degradation at every level: clean images are degraded, restored and scored one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.dataset.folder import Dataset, Pair
from benchmark.degradations.specs.pipeline import apply
from benchmark.evaluation.collect import score_all
from benchmark.evaluation.cost import sampler_facts
from benchmark.evaluation.pairs import Restored, restore_pair
from benchmark.evaluation.robustness.cases import Case
from benchmark.evaluation.scoring.scorer import MultiScorer
from benchmark.evaluation.scoring.threads import rows_of, score_images, tokens
from benchmark.evaluation.store import Scored, Store
from benchmark.evaluation.submission.pictures import open_pictures
from benchmark.metrics import METRICS
from benchmark.metrics.protocols import Protocol
from benchmark.results.intervals import bootstrap_interval
from benchmark.results.parts import Method, ProtocolId, Score, Setting, TestSet
from benchmark.results.provenance import birth_certificate
from benchmark.results.robustness import LevelScores, RobustnessResult
from models.files import sha256_json
from models.images.pixels import BadImage, decode

if TYPE_CHECKING:
    from models.inference.restorer import Restorer


@dataclass(frozen=True, kw_only=True)
class CleanImages:
    """The clean images that are degraded.

    Arguments:
        test_set: What results call them.
        keys: In order.
        read: Yields key and pixels (uint8, `(H, W, 3)`) of the images in order, but those of the given keys.
    """

    test_set: TestSet
    keys: tuple[str, ...]
    read: Callable[[Collection[str]], Iterator[tuple[str, np.ndarray]]]


def clean_images(place: Path, *, limit: int | None = None) -> CleanImages:
    """Return the clean images of a dataset's test split, each once, or those of a folder or zip.

    Arguments:
        place: A dataset, a folder or a zip.
        limit: Take the first so many.

    Raises:
        UserError: It is none of them, or holds no image.
    """
    if place.is_dir() and (place / "manifest.json").is_file():
        return _of_dataset(Dataset(place), limit)
    pictures = open_pictures(place)
    keys = tuple(pictures.members)[:limit]

    def read(skip: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
        for key in keys:
            if key not in skip:
                yield key, pictures.pixels(key)

    name = place.resolve().stem if place.is_file() else place.resolve().name
    digest = sha256_json(pictures.digests(keys))
    return CleanImages(test_set=TestSet(name, name, digest, len(keys), ()), keys=keys, read=read)


def _of_dataset(dataset: Dataset, limit: int | None) -> CleanImages:
    # Several pairs may share a clean image.
    first: dict[str, str] = {}
    for row in dataset.index("test"):
        first.setdefault(row["clean_sha256"], row["key"])
    keys = tuple(first.values())[:limit]
    wanted = set(keys)

    def read(skip: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
        for row in dataset.rows("test", columns=["key", "clean"]):
            if row["key"] not in wanted or row["key"] in skip:
                continue
            try:
                yield row["key"], decode(row["clean"]["bytes"])
            except BadImage as error:
                raise BadImage(f"{row['key']}: {error}; run bench verify on {dataset.folder}") from None

    digest = sha256_json([[key, sha] for sha, key in first.items() if key in wanted])
    return CleanImages(test_set=TestSet(dataset.name, dataset.name, digest, len(keys), ()), keys=keys, read=read)


def per_image_part(protocol: Protocol) -> Protocol:
    """Return a protocol without its set metrics: twenty cases at five levels are too many sets of too few images."""
    return replace(protocol, metrics=tuple(name for name in protocol.metrics if METRICS[name].kind == "image"))


def place_of(case: Case, level: int, key: str) -> str:
    """Return the key of one image under one case at one level."""
    return f"{case.name}@{level}/{key}"


def evaluate_robustness(
    restorer: Restorer,
    clean: CleanImages,
    cases: Sequence[Case],
    protocol: Protocol,
    *,
    method: Method,
    setting: Setting | None = None,
    degradation_seed: int = 0,
    scorer: MultiScorer | None = None,
    store: Store | None = None,
    max_memory: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[RobustnessResult, list[dict[str, Any]]]:
    """Degrade, restore and score every clean image under every case at every level.

    Arguments:
        restorer: The network, ready to restore.
        clean: The clean images.
        cases: Under what.
        protocol: How the per-image metrics are computed; set metrics are left out.
        method: Name, title and weights of what is evaluated.
        setting: What else the numbers depend on.
        degradation_seed: Of the degradations; what an image goes through follows from it, the spec and the image's key.
        scorer: For `per_image_part(protocol)`; None to make one.
        store: Where each image is written down once it is scored, so that a killed run continues.
        max_memory: Bytes that restoring may use; larger images are tiled.
        progress: Called with the number of images done.

    Returns:
        The result, and a row for each image at each level. Interruptions change no number but the seconds.
    """
    protocol = per_image_part(protocol)
    scorer = scorer or MultiScorer([protocol], device=str(restorer.device))
    places = [place_of(case, level, key) for case, level, _ in _specs(cases) for key in clean.keys]

    def work(done: Collection[str]) -> Iterator[Scored]:
        def images() -> Iterator[Restored]:
            whole = {k for k in clean.keys if all(place_of(c, level, k) in done for c, level, _ in _specs(cases))}
            for key, pixels in clean.read(whole):
                for case, level, spec in _specs(cases):
                    if (place := place_of(case, level, key)) not in done:
                        degraded = apply(spec, pixels, seed=degradation_seed, key=key)
                        pair = Pair(place, f"{case.name}@{level}", degraded, pixels)
                        yield restore_pair(restorer, pair, max_memory=max_memory)

        return score_images(scorer, images())

    scored = score_all(work, places, scorer, store=store, progress=progress)
    rows = rows_of(scored, tokens(scorer)[protocol.name])
    seconds = [image.seconds for image in scored if image.seconds is not None]
    result = RobustnessResult(
        method=method,
        test_set=clean.test_set,
        protocol=ProtocolId(protocol.name, protocol.version),
        degradation_seed=degradation_seed,
        levels=tuple(_levels(cases, rows, len(clean.keys))),
        missing=scorer.missing[protocol.name],
        seconds_per_image=round(float(np.mean(seconds)), 5) if seconds else None,
        sampler=sampler_facts(restorer),
        seed=restorer.sampling.seed,
        setting=setting,
        **birth_certificate(),
    )
    for row in rows:
        case, _, level = str(row["degradation"]).rpartition("@")
        row["degradation"], row["level"] = case, int(level)
    return result, rows


def _specs(cases: Sequence[Case]) -> list[tuple[Case, int, str]]:
    return [(case, level, spec) for case in cases for level, spec in enumerate(case.specs, start=1)]


def _levels(cases: Sequence[Case], rows: Sequence[dict[str, Any]], n: int) -> Iterator[LevelScores]:
    for place, (case, level, spec) in enumerate(_specs(cases)):
        mine = rows[place * n : (place + 1) * n]
        columns = {name: [float(row[name]) for row in mine] for name in METRICS if name in mine[0]}
        metrics = {
            name: Score(value=float(np.mean(values)), n=n, ci95=bootstrap_interval(values))
            for name, values in columns.items()
        }
        yield LevelScores(case=case.name, kind=case.kind, level=level, spec=spec, n=n, metrics=metrics)
