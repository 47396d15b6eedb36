"""Scoring in threads while the next image is being made, each image once for all protocols."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

from benchmark.evaluation.pairs import Restored
from benchmark.evaluation.store import Scored
from benchmark.metrics import METRICS
from models.errors import UserError
from models.files import sha256_json
from models.inference.peak import peak_memory

if TYPE_CHECKING:
    from benchmark.evaluation.scoring.scorer import MultiScorer


def tokens(scorer: MultiScorer) -> dict[str, str]:
    """Return for each protocol a text that changes when its per-image scores could.

    It holds the protocol's version, the metrics that can be computed, and the weights behind them: a weight file that
    arrives between two runs makes the images be scored again, and another protocol does not.
    """
    found = {}
    for protocol in scorer.protocols:
        computed = scorer.metrics[protocol.name]
        needs = {METRICS[name].needs for name in computed}
        wanted = {f"lpips-{protocol.lpips_net}": "lpips" in needs, "fid": "inception" in needs}
        weights = {name: scorer.weight_digests.get(name) for name, needed in wanted.items() if needed}
        found[protocol.name] = f"{protocol.identifier}/{sha256_json([computed, weights])[:16]}"
    return found


def score_image(scorer: MultiScorer, image: Restored) -> Scored:
    """Score one image under all protocols.

    Raises:
        UserError: It cannot be scored; the message names its key.
    """
    named = tokens(scorer)
    measured = scorer.measure(
        image.restored, image.clean, rounding=image.rounding, name=f"{image.degradation}/{image.key}"
    )
    scores = {named[name]: {k: float(v) for k, v in values.items()} for name, values in measured.scores.items()}
    return Scored(
        key=image.key,
        degradation=image.degradation,
        scores=scores,
        features=measured.features,
        clean_features=measured.clean_features,
        seconds=image.seconds,
        peak=peak_memory(),
    )


def score_images(scorer: MultiScorer, images: Iterable[Restored], *, workers: int = 1) -> Iterator[Scored]:
    """Score images in their order; the next ones are made meanwhile.

    Each thread computes an image's metrics alone: sums over many pixels depend in their last bits on how many threads
    share them, and several images at once use several processors better than one image does.

    Arguments:
        scorer: Computes the metrics.
        images: Made one by one in the calling thread; at most `workers` + 1 wait to be scored.
        workers: Threads that score, at least 1; they change no number.
    """
    waiting: deque[Future[Scored]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="scores") as pool:
        _one_thread_each(pool, workers)
        try:
            for image in images:
                waiting.append(pool.submit(score_image, scorer, image))
                # What is done is handed out at once: it shall be written down before anything can go wrong.
                while waiting and (waiting[0].done() or len(waiting) > workers):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()


def _one_thread_each(pool: ThreadPoolExecutor, workers: int) -> None:
    """Let torch use one thread in each thread of the pool, and as many as before in the calling one."""
    import torch

    before, started = torch.get_num_threads(), Barrier(workers + 1)

    def start() -> None:
        torch.set_num_threads(1)
        started.wait()  # so that no thread of the pool starts twice and another never

    for _ in range(workers):
        pool.submit(start)
    started.wait()
    # What OpenMP may use is set for each thread; the rest, such as for products of matrices, for all of them.
    torch.set_num_threads(before)


def usable(image: Scored, named: Mapping[str, str]) -> bool:
    """Say whether an image that was scored before has what these protocols ask for."""
    return all(token in image.scores for token in named.values())


def rows_of(images: Iterable[Scored], token: str) -> list[dict[str, object]]:
    """Return a row an image under one protocol: key, degradation and the per-image metrics.

    Raises:
        UserError: An image was not scored under it.
    """
    rows: list[dict[str, object]] = []
    for image in images:
        if token not in image.scores:
            raise UserError(f"{image.key} was not scored under {token}")
        values = image.scores[token]
        rows.append(
            {"key": image.key, "degradation": image.degradation, **{n: values[n] for n in METRICS if n in values}}
        )
    return rows
