"""Captions of a stream of images: reading and decoding run ahead in threads while the model works."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from queue import Queue
from typing import Any

from captioning.captioners.contract import Captioner, CleanImage, ModelCaptioner
from models.files import sha256_bytes
from models.images.pixels import BadImage


@dataclass(frozen=True)
class Captioned:
    """What came of an image: its caption, or the reason why it has none."""

    sha256: str
    key: str
    caption: str | None
    reason: str | None = None


def caption_stream(
    images: Iterable[CleanImage], captioner: Captioner, *, batch_size: int = 16, threads: int = 2
) -> Iterator[Captioned]:
    """Caption images in their order.

    Arguments:
        images: The images; they are read in a thread of their own, only a little ahead of the model.
        captioner: Who writes the captions.
        batch_size: Images that the model sees at once.
        threads: Threads that decode and scale images.

    Yields:
        One result an image, as soon as its batch is done. An image that cannot be decoded, or whose bytes are no longer
        those of its digest, has a reason instead of a caption; the others are not touched by it.
    """
    if not isinstance(captioner, ModelCaptioner):
        rest = iter(images)
        while batch := list(islice(rest, batch_size)):
            texts = captioner.caption(batch)
            yield from (Captioned(i.sha256, i.key, text) for i, text in zip(batch, texts, strict=True))
        return
    captioner.load()
    with _Preparation(images, captioner, ahead=2 * batch_size + threads, threads=threads) as prepared:
        waiting: list[tuple[CleanImage, Any]] = []
        good = 0
        for image, result in prepared:
            waiting.append((image, result))
            good += not isinstance(result, BadImage)
            if good == batch_size:
                yield from _caption(waiting, captioner)
                waiting, good = [], 0
        yield from _caption(waiting, captioner)


def _caption(waiting: list[tuple[CleanImage, Any]], captioner: ModelCaptioner) -> Iterator[Captioned]:
    inputs = [result for _, result in waiting if not isinstance(result, BadImage)]
    texts = iter(captioner.caption_prepared(inputs) if inputs else ())
    for image, result in waiting:
        if isinstance(result, BadImage):
            yield Captioned(image.sha256, image.key, None, str(result))
        else:
            yield Captioned(image.sha256, image.key, next(texts))


class _Preparation:
    """Iterates over images and their prepared inputs, in order, from threads that run a bounded distance ahead."""

    def __init__(self, images: Iterable[CleanImage], captioner: ModelCaptioner, *, ahead: int, threads: int) -> None:
        self._images = images
        self._captioner = captioner
        self._room = threading.Semaphore(ahead)
        self._queue: Queue[tuple[CleanImage, Future[Any]] | BaseException | None] = Queue()
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(threads, initializer=_calm_thread)
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Iterator[tuple[CleanImage, Any]]:
        self._reader.start()
        return self._results()

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._room.release()
        self._reader.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _read(self) -> None:
        try:
            for image in self._images:
                self._room.acquire()
                if self._stopped.is_set():
                    return
                known = CleanImage(image.sha256, image.key, None)
                self._queue.put((known, self._pool.submit(self._prepare, image)))
        except BaseException as error:  # handed to the thread that asked for the images
            self._queue.put(error)
        else:
            self._queue.put(None)

    def _results(self) -> Iterator[tuple[CleanImage, Any]]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            image, future = item
            result = future.result()
            self._room.release()
            yield image, result

    def _prepare(self, image: CleanImage) -> Any:
        assert image.data is not None, "a captioner that looks at images was given none"
        if sha256_bytes(image.data) != image.sha256:
            return BadImage("its bytes are not those that the dataset was built with")
        try:
            return self._captioner.prepare(image)
        except BadImage as error:
            return error


def _calm_thread() -> None:
    """Keep torch from starting a team of threads for each decoding thread; the thread of the model keeps its own."""
    import torch

    torch.set_num_threads(1)
