"""Folders for the time being, which are removed even when the process that made them was killed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models.files import MACHINE, lives

_PREFIX = f"daclip-bench.{MACHINE}-"
_NAME = re.compile(re.escape(_PREFIX) + r"(?P<pid>\d+)\..+")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder, readable by its owner alone, that is gone with the block.

    It lies where temporary files do on this system. What killed processes of this machine have left there is removed.
    """
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}.") as folder:
        yield Path(folder)


def _sweep(place: Path) -> None:
    with suppress(OSError):
        for entry in os.scandir(place):
            found = _NAME.fullmatch(entry.name)
            # A link is nothing that this program has made.
            if found and entry.is_dir(follow_symlinks=False) and not lives(int(found["pid"])):
                shutil.rmtree(entry.path, ignore_errors=True)
