"""What an unfinished evaluation has scored so far: a row an image, committed at once, so that a kill loses nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.evaluation.sqlite_files import open_tables
from benchmark.evaluation.stored import Scored, from_row, to_row
from models.errors import UserError
from models.files import sha256_json

__all__ = ["FOLDER", "Scored", "Store"]

FOLDER = ".partial"

TABLES = {
    "images": "(key TEXT PRIMARY KEY, degradation TEXT, scores TEXT, features BLOB, clean_features BLOB, seconds REAL,"
    " peak INTEGER, digest TEXT)"
}


class Store:
    """A file with the images scored so far. It is gone once the results are written.

    A row that is not as it was written for this very evaluation counts as absent: the image is scored again.

    Arguments:
        folder: The folder of results, in which the file lies in a hidden folder.
        identity: All that the scores depend on besides image and protocol, as a JSON value; another identity is
            another file, and every row's digest covers it.

    Raises:
        UserError: The file cannot be opened or is damaged.
    """

    def __init__(self, folder: Path, identity: Any) -> None:
        self._identity = sha256_json(identity)
        self.path = folder / FOLDER / f"{self._identity[:32]}.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._told():
            # Threads take turns: the one that scores commits, whichever it is.
            self._file = open_tables(self.path, TABLES, threads=True)
            # A commit then survives a kill without waiting for the disk; a power cut may cost the last few images.
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")

    def scored(self) -> Iterator[Scored]:
        """Yield the images that were scored, in no particular order."""
        with self._told():
            for row in self._file.execute("SELECT * FROM images"):
                image = from_row(row, self._identity)
                if image is not None:
                    yield image

    def commit(self, image: Scored) -> None:
        """Write down an image; when this returns it survives the end of the process."""
        with self._told():
            self._file.execute(
                "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?)", to_row(image, self._identity)
            )

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
