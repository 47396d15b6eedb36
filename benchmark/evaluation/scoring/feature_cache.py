"""Features of clean images kept on disk: they are the same for every method that is evaluated on a test set."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import numpy as np

from benchmark.evaluation.sqlite_files import open_tables
from models.errors import UserError
from models.files import sha256_bytes

FILE_NAME = "features.sqlite"
TABLES = {"features": "(image TEXT, recipe TEXT, digest TEXT, value BLOB, PRIMARY KEY (image, recipe)) WITHOUT ROWID"}
PATIENCE = 60.0
"""Seconds to wait while another process writes."""


def default_path() -> Path:
    """Return where features are kept: under `$XDG_CACHE_HOME`, else `~/.cache`."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return root / "daclip-bench" / FILE_NAME


def image_digest(image: np.ndarray) -> str:
    """Return the SHA-256 of an image's shape and pixels."""
    return sha256_bytes(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())


class FeatureCache:
    """A table from the digest of an image and the recipe of its features to the features, bit by bit.

    Every row is written in a transaction of its own, so a killed process leaves whole rows, and several processes and
    threads may use the file at once (on one machine: the locks of network file systems are not to be trusted).

    Arguments:
        path: The file; it is made when it is missing.
        recipe: Everything besides the pixels that decides the features: network, digest of its weights, device.

    Raises:
        UserError: The file is not such a table, or cannot be written.
    """

    def __init__(self, path: Path, *, recipe: str) -> None:
        self.path, self.recipe = path, recipe
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection()
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection; a forked process opens one of its own."""
        if getattr(self._local, "process", None) != os.getpid():
            self._local.connection = open_tables(self.path, TABLES, timeout=PATIENCE)
            # A killed process loses nothing by this; after a power cut a damaged row is seen by its digest.
            self._local.connection.execute("PRAGMA synchronous = OFF")
            self._local.process = os.getpid()
        return self._local.connection

    def get(self, image: str) -> np.ndarray | None:
        """Return the features of the image with this digest, or None; a row that was damaged counts as absent."""
        query = "SELECT digest, value FROM features WHERE image = ? AND recipe = ?"
        try:
            row = self._connection().execute(query, (image, self.recipe)).fetchone()
        except sqlite3.Error as error:
            raise self._trouble(error) from None
        if row is None or not isinstance(row[1], bytes) or self._digest(image, row[1]) != row[0]:
            return None
        if len(row[1]) % 4:
            return None
        return np.frombuffer(row[1], dtype="<f4").astype(np.float32)

    def put(self, image: str, features: np.ndarray) -> None:
        """Keep the features of an image."""
        value = np.ascontiguousarray(features, dtype="<f4").tobytes()
        row = (image, self.recipe, self._digest(image, value), value)
        try:
            self._connection().execute("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def _digest(self, image: str, value: bytes) -> str:
        # A row stands for its image and recipe alone, whatever it is filed under.
        return sha256_bytes(f"{image}\0{self.recipe}\0".encode() + value)

    def _trouble(self, error: sqlite3.Error) -> UserError:
        return UserError(f"the cache of features {self.path} cannot be used ({error}): remove it or name another file")
