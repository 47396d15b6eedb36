"""Where the weights of the metrics' networks lie. Nothing is ever downloaded here; what is absent is named."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.downloads.offers import OFFERS
from models.errors import UserError
from models.files import sha256_file
from models.weights.folders import search_folders


class MissingWeights(UserError):
    """A weight file lies in none of the folders; the message says which file, where to put it, where to get it."""


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """One published weight file.

    Arguments:
        offer: Its name for `bench weights get`.
        name: File name.
        converted: File name of the same weights out of a package; empty when there is none.
        purpose: What it is needed for, in words.
        url: The official address.
    """

    offer: str
    name: str
    converted: str = ""
    purpose: str
    url: str

    @property
    def names(self) -> tuple[str, ...]:
        """The file names under which the weights may lie, the official one first."""
        return (self.name, self.converted) if self.converted else (self.name,)


def _offered(name: str) -> WeightFile:
    offer = OFFERS[name]
    converted = offer.package.file if offer.package else ""
    return WeightFile(offer=name, name=offer.file, converted=converted, purpose=offer.purpose, url=offer.url)


ALEXNET = _offered("lpips-alex")
VGG16 = _offered("lpips-vgg")
SQUEEZENET = _offered("lpips-squeeze")
INCEPTION = _offered("inception")

WEIGHT_FILES = (ALEXNET, VGG16, SQUEEZENET, INCEPTION)


@functools.lru_cache(maxsize=16)
def _digest(path: Path, size: int, modified: int) -> str:
    """Return the SHA-256 of a file; size and time are arguments so that a replaced file is read anew."""
    return sha256_file(path)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a weight file, remembered for as long as the file is not replaced."""
    status = path.stat()
    return _digest(path.absolute(), status.st_size, status.st_mtime_ns)


def find_weight_file(file: WeightFile, *, folder: Path | None = None) -> Path:
    """Return the path of a published weight file after its digest has been checked.

    Arguments:
        file: Which one.
        folder: A folder to try before the usual ones.

    Returns:
        The first match of `search_folders`.

    Raises:
        MissingWeights: None of the folders holds it.
        UserError: The first match is not the published file.
    """
    folders = search_folders(folder=folder)
    for candidate in (place / name for place in folders for name in file.names):
        if not candidate.is_file():
            continue
        digest, wanted = digest_of(candidate), OFFERS[file.offer].digest_of(candidate.name)
        if digest != wanted:
            raise UserError(
                f"{candidate} is damaged or another file: its sha256 starts with {digest[:16]} and that of the "
                f"published one with {wanted[:16]}; remove it and fetch it again with: bench weights get {file.offer}"
            )
        return candidate
    verb = "need" if " and " in file.purpose else "needs"
    raise MissingWeights(
        f"{file.purpose} {verb} the file {file.name}, which is not in {', '.join(map(str, folders))}: run `bench "
        f"weights get {file.offer}`, or get it from {file.url} and put it into {folders[0]}, or set BENCH_WEIGHTS to "
        f"the folder that holds it"
    )


def load_state(path: Path) -> dict[str, Any]:
    """Read a state dict from a `.safetensors` file or from a PyTorch file, whose pickled code is never run.

    Arguments:
        path: The file; its digest is not checked, so that other weights can be given on purpose.

    Returns:
        Tensors on the CPU by key.

    Raises:
        UserError: The file is absent, broken, or holds something else than named tensors.
    """
    if not path.is_file():
        raise UserError(f"weight file not found: {path}")
    import torch

    from models.weights.reading import read_content

    try:
        state = read_content(path)
    except UserError as error:
        raise UserError(f"{path} cannot be read as a weight file ({error})") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"{path} does not hold a plain state dict (names to tensors)")
    return dict(state)


def load_into(module: Any, state: dict[str, Any], *, path: Path, ignored: tuple[str, ...] = ()) -> None:
    """Load `state` into a torch module, strictly but for keys that begin with one of `ignored`.

    Arguments:
        module: The network.
        state: Tensors under the network's own keys.
        path: Where they came from, for the message.
        ignored: Beginnings of keys that the network does not use.

    Raises:
        UserError: Keys are missing or left over, or shapes differ.
    """
    used = {key: value for key, value in state.items() if not key.startswith(ignored)} if ignored else state
    try:
        module.load_state_dict(used)
    except RuntimeError as error:
        wanted = module.state_dict()
        # torch fills in absent counters of old files by itself, so they are not what is wrong
        missing = sorted(key for key in wanted.keys() - used.keys() if not key.endswith("num_batches_tracked"))
        extra = sorted(used.keys() - wanted.keys())
        wrong = [key for key in wanted.keys() & used.keys() if wanted[key].shape != used[key].shape]
        raise UserError(
            f"{path} does not fit {type(module).__name__}: {len(missing)} keys missing (first {missing[:1]}), "
            f"{len(extra)} left over (first {extra[:1]}), {len(wrong)} of another shape (first {sorted(wrong)[:1]})"
        ) from error
