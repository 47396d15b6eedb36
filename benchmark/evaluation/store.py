"""What an unfinished evaluation has scored so far: a row an image, committed at once, so that a kill loses nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import UserError
from models.files import sha256_json

FOLDER = ".partial"


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What is kept of one image once its pixels are forgotten.

    Arguments:
        key: Key of its pair.
        degradation: Its type.
        scores: Per-image metrics by the token of a protocol, see `benchmark.evaluation.scoring.tokens`.
        features: What set metrics compare, with shape `(D,)`; None when none is computed.
        clean_features: The same of the clean image.
        seconds: What restoring took, or None.
        peak: The most bytes that the process had held by then.
    """

    key: str
    degradation: str
    scores: Mapping[str, Mapping[str, float]]
    features: np.ndarray | None = None
    clean_features: np.ndarray | None = None
    seconds: float | None = None
    peak: int | None = None


class Store:
    """A file with the images scored so far. It is gone once the results are written.

    Arguments:
        folder: The folder of results, in which the file lies in a hidden folder.
        identity: All that the scores depend on besides image and protocol, as a JSON value; another identity is
            another file.

    Raises:
        UserError: The file cannot be opened or is damaged.
    """

    def __init__(self, folder: Path, identity: Any) -> None:
        self.path = folder / FOLDER / f"{sha256_json(identity)[:32]}.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._told():
            # Threads take turns: the one that scores commits, whichever it is.
            self._file = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            # A commit then survives a kill without waiting for the disk; a power cut may cost the last few images.
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS images (key TEXT PRIMARY KEY, degradation TEXT, scores TEXT, features BLOB,"
                " clean_features BLOB, seconds REAL, peak INTEGER)"
            )

    def scored(self) -> Iterator[Scored]:
        """Yield the images that were scored, in no particular order."""
        with self._told():
            for key, word, scores, ours, clean, seconds, peak in self._file.execute("SELECT * FROM images"):
                yield Scored(
                    key=key,
                    degradation=word,
                    scores=json.loads(scores),
                    features=None if ours is None else np.frombuffer(ours, np.float32),
                    clean_features=None if clean is None else np.frombuffer(clean, np.float32),
                    seconds=seconds,
                    peak=peak,
                )

    def commit(self, image: Scored) -> None:
        """Write down an image; when this returns it survives the end of the process."""
        blobs = [None if f is None else f.astype(np.float32).tobytes() for f in (image.features, image.clean_features)]
        # JSON's digits bring every float back exactly, infinity included.
        scores = json.dumps({token: dict(values) for token, values in image.scores.items()})
        row = (image.key, image.degradation, scores, *blobs, image.seconds, image.peak)
        with self._told():
            self._file.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file and leave it for the next run."""
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file: its results are written."""
        self.close()
        for ending in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        if not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                advice = "free some space on its disk and run the same command again (it continues)"
            elif "locked" in str(error):
                advice = "another process evaluates the same thing: wait for it"
            else:
                advice = "delete it to start the evaluation anew"
            raise UserError(f"{self.path}: {error}: {advice}") from None
