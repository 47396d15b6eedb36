"""A network, or images that another program restored, on a test set under one protocol or several: the results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.dataset.folder import Dataset
from benchmark.evaluation.cost import measured_cost, sampler_facts
from benchmark.evaluation.pairs import Restored, restore_pair
from benchmark.evaluation.scoring.threads import rows_of, score_images, tokens, usable
from benchmark.evaluation.store import Scored, Store
from benchmark.evaluation.summary import Summary, sum_up
from benchmark.metrics.protocols import Protocol
from benchmark.results.parts import Cost, Method, ProtocolId, Setting, TestSet
from benchmark.results.provenance import birth_certificate
from benchmark.results.restoration import Result

if TYPE_CHECKING:
    from benchmark.evaluation.scoring.scorer import MultiScorer, Scorer
    from models.inference.restorer import Restorer

Work = Callable[[Collection[str]], Iterator[Scored]]
"""Scores all images of an evaluation but those of the given keys, in any order."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A result with its rows: key, degradation and the metrics of each image."""

    result: Result
    rows: Sequence[dict[str, Any]]


def score(
    scorer: Scorer, images: Iterable[Restored], *, progress: Callable[[int], None] = lambda done: None
) -> list[dict[str, Any]]:
    """Score images one by one under one protocol and return a row each: key, degradation and per-image metrics."""
    rows = []
    for number, image in enumerate(images, start=1):
        values = scorer.add(image.degradation, image.key, image.restored, image.clean, rounding=image.rounding)
        rows.append({"key": image.key, "degradation": image.degradation, **values})
        progress(number)
    return rows


def score_all(
    work: Work,
    keys: Sequence[str],
    scorer: MultiScorer,
    *,
    store: Store | None = None,
    there: Callable[[str], bool] = lambda key: True,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Scored]:
    """Score every image that is not scored yet, and write each down at once.

    Arguments:
        work: What makes and scores the images.
        keys: All keys, in the order of the test set.
        scorer: Says under which protocols.
        store: Where images are written down; None to keep them in memory alone.
        there: Whether all else that an image should leave behind, such as a file, is there.
        progress: Called with the number of images done.

    Returns:
        All images in the order of their keys, whatever the order in which they came.
    """
    named, wanted = tokens(scorer), set(keys)
    done = {image.key: image for image in (store.scored() if store else ()) if image.key in wanted}
    done = {key: image for key, image in done.items() if usable(image, named) and there(key)}
    progress(len(done))
    for image in work(set(done)):
        if store is not None:
            store.commit(image)
        done[image.key] = image
        progress(len(done))
    return [done[key] for key in keys]


def finish(
    images: Sequence[Scored],
    scorer: MultiScorer,
    protocols: Sequence[Protocol],
    *,
    method: Method,
    test_set: TestSet,
    grouped: bool = True,
    **facts: Any,
) -> list[Evaluated]:
    """Sum up scored images, once for each protocol.

    Arguments:
        images: In the order of the test set; each number depends on nothing else.
        scorer: What scored them.
        protocols: In the order of the results.
        method: What was evaluated.
        test_set: On which images.
        grouped: Whether the result tells its types apart; one without known types does not.
        facts: Cost, sampler, seed and setting of the results.
    """
    from benchmark.evaluation.scoring.scorer import Measurement

    for image in images:
        measured = Measurement(scores={}, features=image.features, clean_features=image.clean_features)
        scorer.keep(image.degradation, image.key, measured)
    named, birth, found = tokens(scorer), birth_certificate(), []
    for protocol in protocols:
        rows = rows_of(images, named[protocol.name])
        summary = _summary(rows, scorer, protocol)
        result = Result(
            method=method,
            test_set=test_set,
            protocol=ProtocolId(protocol.name, protocol.version),
            n=len(rows),
            metrics=summary.metrics,
            groups=summary.groups if grouped else {},
            missing=summary.missing,
            pooled=summary.pooled,
            **{"cost": Cost(), "sampler": None, "seed": None, **facts},
            **birth,
        )
        found.append(Evaluated(result=result, rows=rows))
    return found


def _summary(rows: Sequence[dict[str, Any]], scorer: MultiScorer, protocol: Protocol) -> Summary:
    return sum_up(
        rows,
        missing=scorer.missing[protocol.name],
        sets=lambda word: scorer.set_scores(word)[protocol.name],
        pooled=lambda: scorer.pooled_scores()[protocol.name],
    )


def evaluate_network(
    restorer: Restorer,
    dataset: Dataset,
    protocols: Sequence[Protocol],
    *,
    method: Method,
    setting: Setting | None = None,
    scorer: MultiScorer | None = None,
    work: Work | None = None,
    store: Store | None = None,
    workers: int = 1,
    max_memory: int | None = None,
    keep: Callable[[Restored], None] = lambda image: None,
    there: Callable[[str], bool] = lambda key: True,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Evaluated]:
    """Restore the test split of a dataset once and score it under every protocol.

    Arguments:
        restorer: The network, ready to restore.
        dataset: A dataset with a test split.
        protocols: How the metrics are computed.
        method: Name, title and weights of what is evaluated.
        setting: What else the numbers depend on.
        scorer: For these protocols; None to make one.
        work: What restores and scores instead of this process, such as a cluster.
        store: Where each image is written down once it is scored, so that a killed evaluation continues.
        workers: Threads that score while the next image is restored; they change no number.
        max_memory: Bytes that restoring may use; larger images are tiled.
        keep: Called with every restored image before it counts as done, for galleries.
        there: Whether what `keep` leaves behind for a key is there.
        progress: Called with the number of images done.

    Returns:
        A result with its rows for each protocol. Neither the order in which images are done, nor where, nor any number
        of interruptions changes a number in it but what was measured of the machine.
    """
    from benchmark.evaluation.scoring.scorer import MultiScorer

    scorer = scorer or MultiScorer(protocols, device=str(restorer.device))

    def here(done: Collection[str]) -> Iterator[Scored]:
        def images() -> Iterator[Restored]:
            for pair in dataset.pairs("test", skip=done):
                image = restore_pair(restorer, pair, max_memory=max_memory)
                keep(image)
                yield image

        return score_images(scorer, images(), workers=workers)

    facts = dataset.split("test")
    keys = [row["key"] for row in dataset.index("test")]
    images = score_all(work or here, keys, scorer, store=store, there=there, progress=progress)
    words = tuple(dataset.degradations("test"))
    return finish(
        images,
        scorer,
        protocols,
        method=method,
        test_set=TestSet(dataset.name, dataset.name, facts["digest"], facts["rows"], words),
        cost=measured_cost(images, restorer),
        sampler=sampler_facts(restorer),
        seed=restorer.sampling.seed,
        setting=setting,
    )
