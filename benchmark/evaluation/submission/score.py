"""Scoring images that another program restored against clean ones, or against the test split of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.dataset.folder import Dataset
from benchmark.evaluation.collect import Evaluated, finish, score_all
from benchmark.evaluation.pairs import Restored
from benchmark.evaluation.scoring.scorer import MultiScorer
from benchmark.evaluation.scoring.threads import score_images
from benchmark.evaluation.store import Scored, Store
from benchmark.evaluation.submission.pictures import Pictures, match_to_keys, open_pictures
from benchmark.metrics.protocols import Protocol
from benchmark.results.parts import Method, Setting, TestSet
from models.files import sha256_json
from models.images.pixels import BadImage, decode

Clean = tuple[str, str, np.ndarray]
"""Key, degradation and pixels of a clean image."""


@dataclass(frozen=True, kw_only=True)
class References:
    """The clean images that restored ones are held against.

    Arguments:
        test_set: What results call them.
        keys: In order.
        read: Yields the clean images in order but those of the given keys.
        grouped: Whether their types are known.
    """

    test_set: TestSet
    keys: Sequence[str]
    read: Callable[[Collection[str]], Iterator[Clean]]
    grouped: bool


def references_of_dataset(dataset: Dataset) -> References:
    """Return the clean images of a dataset's test split."""

    def read(skip: Collection[str]) -> Iterator[Clean]:
        for row in dataset.rows("test", columns=["key", "degradation", "clean"]):
            if row["key"] in skip:
                continue
            try:
                yield row["key"], row["degradation"], decode(row["clean"]["bytes"])
            except BadImage as error:
                raise BadImage(f"{row['key']}: {error}; run bench verify on {dataset.folder}") from None

    facts = dataset.split("test")
    words = tuple(dataset.degradations("test"))
    return References(
        test_set=TestSet(dataset.name, dataset.name, facts["digest"], facts["rows"], words),
        keys=[row["key"] for row in dataset.index("test")],
        read=read,
        grouped=True,
    )


def references_of_pictures(place: Path) -> References:
    """Return the clean images of a folder or a zip.

    Raises:
        UserError: It is neither, or holds no image.
    """
    clean = open_pictures(place)
    keys = list(clean.members)

    def read(skip: Collection[str]) -> Iterator[Clean]:
        for key in keys:
            if key not in skip:
                yield key, "all", clean.pixels(key)

    name = place.resolve().stem if place.is_file() else place.resolve().name
    digest = sha256_json(clean.digests(keys))
    return References(test_set=TestSet(name, name, digest, len(keys), ()), keys=keys, read=read, grouped=False)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Restored images matched to what they are held against.

    Arguments:
        pictures: The restored images.
        names: Name of the picture by key.
        digest: Digest of names and bytes, the same for a folder and for a zip of it.
    """

    pictures: Pictures
    names: dict[str, str]
    digest: str


def match_restored(place: Path, references: References, *, allow_missing: bool = False) -> Submission:
    """Match a folder or zip of restored images to clean ones by name.

    Arguments:
        place: The folder or zip.
        references: The clean images.
        allow_missing: Whether some of those may be without a restored one.

    Raises:
        UserError: Names do not match; the message counts missing and further files and names some.
    """
    pictures = open_pictures(place)
    what = f"the {len(references.keys)} images of {references.test_set.name}"
    names = match_to_keys(pictures, references.keys, what=what, allow_missing=allow_missing)
    return Submission(pictures=pictures, names=names, digest=sha256_json(pictures.digests(list(names.values()))))


def evaluate_restored(
    submission: Submission,
    references: References,
    protocols: Sequence[Protocol],
    *,
    method: str,
    setting: Setting | None = None,
    scorer: MultiScorer | None = None,
    store: Store | None = None,
    workers: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Evaluated]:
    """Score restored images under every protocol, each decoded once.

    Arguments:
        submission: The restored images.
        references: The clean ones.
        protocols: How the metrics are computed.
        method: What the restored images are attributed to.
        setting: Where the networks of the metrics run.
        scorer: For these protocols; None to make one.
        store: Where each image is written down once it is scored, so that a killed evaluation continues.
        workers: Threads that score; they change no number.
        progress: Called with the number of images done.

    Returns:
        A result with its rows for each protocol.

    Raises:
        UserError: An image cannot be decoded, or two differ in size; the message names the image.
    """
    scorer = scorer or MultiScorer(protocols)
    absent = set(references.keys) - set(submission.names)

    def work(done: Collection[str]) -> Iterator[Scored]:
        def images() -> Iterator[Restored]:
            for key, word, clean in references.read({*done, *absent}):
                yield Restored(key, word, clean, submission.pictures.pixels(submission.names[key]))

        return score_images(scorer, images(), workers=workers)

    return finish(
        score_all(work, list(submission.names), scorer, store=store, progress=progress),
        scorer,
        protocols,
        method=Method(name=method, title=method, restored_digest=submission.digest),
        test_set=references.test_set,
        grouped=references.grouped,
        setting=setting,
    )
