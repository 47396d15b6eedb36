"""The state of the files that a build reads: whether they are still those that its finished shards were made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.sources.samples import Sample
from models.files import sha256_json

Seen = dict[Path, tuple[int, ...] | None]
"""Files that were looked at already, each with its state."""


def state_of(samples: Sequence[Sample], seen: Seen) -> str:
    """Return a digest of the state of all files that some samples are read from.

    Size and times tell of changes under an unchanged name; the number of the file and the time of its last change of
    any kind tell of those that put size and time back. It holds on one machine alone and enters no dataset.

    Arguments:
        samples: The samples, in their order.
        seen: Filled with the files; give the same one for all samples that are looked at together.
    """
    states: list[tuple[int, ...] | None] = []
    for sample in samples:
        for image in (sample.clean, sample.degraded):
            for file in getattr(image, "files", ()):
                if file not in seen:
                    seen[file] = _state(file)
                states.append(seen[file])
    return sha256_json(states)


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino
