"""Where weights are looked for on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def search_folders(*, folder: Path | None = None) -> tuple[Path, ...]:
    """Return the folders in which weight files are looked for, in order.

    Arguments:
        folder: A folder to try before all others.

    Returns:
        `folder`, `$BENCH_WEIGHTS`, `weights/` in the working directory, and torch hub's folder of checkpoints.
    """
    folders = [] if folder is None else [folder]
    if os.environ.get("BENCH_WEIGHTS"):
        folders.append(Path(os.environ["BENCH_WEIGHTS"]).expanduser())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    torch_home = Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser()
    return (*folders, Path("weights").absolute(), torch_home / "hub" / "checkpoints")
