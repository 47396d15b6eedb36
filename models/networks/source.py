"""What a network from outside the catalogue is made of, as a digest: its code, and the numbers in it."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from models.files import sha256_bytes, sha256_file, sha256_json

if TYPE_CHECKING:
    from torch import nn

_LIBRARIES = ("stdlib", "platstdlib", "purelib", "platlib")


def source_digest(name: str) -> str | None:
    """Return a digest of the code behind a `package.module:factory` that has been imported.

    It covers the factory's package, or the folder that its module lies in: every module of there that is loaded.

    Arguments:
        name: The network's name.

    Returns:
        The digest; None for a network of the catalogue, whose code is this program's.
    """
    place, colon, _ = name.partition(":")
    module = sys.modules.get(place)
    if not colon or module is None:
        return None
    top = place.partition(".")[0]
    files = {name: file for name, file in _files().items() if name.partition(".")[0] == top}
    own = _files().get(place)
    if own is not None and not _installed(own):
        depth = place.count(".") + (1 if own.name == "__init__.py" else 0)
        folder = own.parents[depth]
        files |= {name: file for name, file in _files().items() if file.is_relative_to(folder) and not _installed(file)}
    return sha256_json([[name, sha256_file(file)] for name, file in sorted(files.items())])


def _files() -> dict[str, Path]:
    """Return the files of all modules that are loaded, by name."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.isfile(file):
            found[name] = Path(os.path.realpath(file))
    return found


def _installed(file: Path) -> bool:
    """Say whether a file belongs to what is installed, and not to a user's own folder."""
    places = [*site.getsitepackages(), site.getusersitepackages(), *(sysconfig.get_paths()[key] for key in _LIBRARIES)]
    return any(file.is_relative_to(os.path.realpath(place)) for place in places)


def state_digest(network: nn.Module) -> str:
    """Return a digest of all numbers in a network, whose code may have drawn them at random."""
    import torch

    parts = [
        name.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        for name, value in sorted(network.state_dict().items())
        if value.numel()
    ]
    return sha256_bytes(b"".join(sha256_bytes(part).encode() for part in parts))
