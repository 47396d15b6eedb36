"""A network, or images that another program restored, on a test set under one protocol or several: the results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from benchmark.dataset.folder import Dataset
from benchmark.evaluation.collect import Evaluated, Work, finish, score_all
from benchmark.evaluation.cost import measured_cost, sampler_facts
from benchmark.evaluation.pairs import Restored, restore_pair
from benchmark.evaluation.scoring.threads import score_images
from benchmark.evaluation.store import Scored, Store
from benchmark.metrics.protocols import Protocol
from benchmark.results.parts import Method, Setting, TestSet

if TYPE_CHECKING:
    from benchmark.evaluation.scoring.scorer import MultiScorer
    from models.inference.restorer import Restorer


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
