"""Scores of image after image, collected and summed up to results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.evaluation.scoring.threads import rows_of, tokens, usable
from benchmark.evaluation.store import Scored, Store
from benchmark.evaluation.summary import Summary, sum_up
from benchmark.metrics.protocols import Protocol
from benchmark.results.parts import Cost, Method, ProtocolId, TestSet
from benchmark.results.provenance import birth_certificate
from benchmark.results.restoration import Result

if TYPE_CHECKING:
    from benchmark.evaluation.scoring.scorer import MultiScorer


Work = Callable[[Collection[str]], Iterator[Scored]]
"""Scores all images of an evaluation but those of the given keys, in any order."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A result with its rows: key, degradation and the metrics of each image."""

    result: Result
    rows: Sequence[dict[str, Any]]


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
    birth, found = birth_certificate(), []
    for protocol, rows, summary in summaries(images, scorer, protocols):
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


def summaries(
    images: Sequence[Scored], scorer: MultiScorer, protocols: Sequence[Protocol]
) -> Iterator[tuple[Protocol, list[dict[str, Any]], Summary]]:
    """Yield, for each protocol, a row an image and the numbers that follow from them.

    Arguments:
        images: In the order of the test set.
        scorer: What scored them, and nothing else.
        protocols: In the order of the results.
    """
    from benchmark.evaluation.scoring.scorer import Measurement

    for image in images:
        measured = Measurement(scores={}, features=image.features, clean_features=image.clean_features)
        scorer.keep(image.degradation, image.key, measured)
    named = tokens(scorer)
    for protocol in protocols:
        rows = rows_of(images, named[protocol.name])
        yield (
            protocol,
            rows,
            sum_up(
                rows,
                missing=scorer.missing[protocol.name],
                sets=lambda word, name=protocol.name: scorer.set_scores(word)[name],
                pooled=lambda name=protocol.name: scorer.pooled_scores()[name],
            ),
        )
