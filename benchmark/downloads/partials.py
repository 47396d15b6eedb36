"""What has arrived of a file, with the digest of its bytes and the version that they are of: it can be continued."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from models.errors import UserError
from models.files import read_sealed, write_sealed

EVERY = 64 << 20
"""Bytes after which a running download is noted down; so much is fetched again at most when it is killed."""


@dataclass
class Partial:
    """The first bytes of a file.

    Arguments:
        out: The file that they are to become.
        url: Where they are from.
        size: How many there are.
        digest: Their running SHA-256.
        total: Length of the whole file, where it is known.
        validator: What identifies the version of the file, for `If-Range`; empty when nothing does.
        joined: Whether bytes of more than one answer were put together.
    """

    out: Path
    url: str
    size: int
    digest: Any
    total: int | None = None
    validator: str = ""
    joined: bool = False

    @classmethod
    def none(cls, out: Path, url: str) -> Partial:
        """Return the beginning of a file of which nothing has arrived."""
        return cls(out, url, 0, hashlib.sha256())

    @classmethod
    def kept(cls, out: Path, url: str, *, proven: bool) -> Partial:
        """Return what an earlier attempt has left of a file; bytes that cannot be trusted are left out of it.

        Arguments:
            out: The file.
            url: Where it is to be had now.
            proven: Whether the digest of the whole file is known, so that another version cannot be taken for it.
        """
        found = cls.none(out, url)
        try:
            told = read_sealed(found.record, "record of a download", remedy="it is begun anew")
            size, total, validator = told["size"], told["total"], told["validator"]
            sound = (
                set(told) == {"url", "size", "sha256", "total", "validator"}
                and told["url"] == url
                and isinstance(size, int)
                and size > 0
                and (total is None or (isinstance(total, int) and size < total))
                and isinstance(validator, str)
                and (proven or bool(validator))
            )
            if not sound:
                return found
            left, digest = size, hashlib.sha256()
            with open(found.path, "rb") as file:
                while left and (block := file.read(min(left, 1 << 20))):
                    digest.update(block)
                    left -= len(block)
            if left or digest.hexdigest() != told["sha256"]:
                return found
        except (UserError, FileNotFoundError, KeyError, TypeError):
            return found
        return cls(out, url, size, digest, total, validator)

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.out.with_name(f".{self.out.name}.partial")

    @property
    def record(self) -> Path:
        """Where it is noted what they are."""
        return self.out.with_name(f".{self.out.name}.partial.json")

    def open(self) -> IO[bytes]:
        """Open the file to add to it, without anything that is not known."""
        file = open(self.path, "ab")  # noqa: SIM115 - the caller closes it
        file.truncate(self.size)
        return file

    def add(self, file: IO[bytes], block: bytes) -> None:
        """Add bytes that have arrived."""
        file.write(block)
        self.digest.update(block)
        before, self.size = self.size, self.size + len(block)
        if before // EVERY != self.size // EVERY:
            self.note(file)

    def note(self, file: IO[bytes]) -> None:
        """Note down what has arrived, once it is on disk."""
        file.flush()
        os.fsync(file.fileno())
        told = {"url": self.url, "size": self.size, "sha256": self.digest.hexdigest()}
        write_sealed(self.record, {**told, "total": self.total, "validator": self.validator})

    def drop(self) -> None:
        """Remove what has arrived."""
        self.record.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the bytes, which are all there, the name of the file."""
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.out)
        self.record.unlink(missing_ok=True)
