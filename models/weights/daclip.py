"""The DA-CLIP that weights were trained with, where their metadata say it lies: near, a file, and unchanged."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from models.errors import UserError
from models.weights.files import regular_file
from models.weights.opened import OpenedWeights, open_weights

DEEPEST = 2
"""Parts of its path beside the weights or beside their folder: a folder and a file."""


def is_near(name: str) -> bool:
    """Tell whether a relative path leads to the folder of the weights, or to one beside it, and no further."""
    place = PurePosixPath(name)
    inner = place.parts[1:] if place.parts[:1] == ("..",) else place.parts
    return not place.is_absolute() and 1 <= len(inner) <= DEEPEST and ".." not in inner and "\0" not in name


def recorded_daclip(network: str, path: Path, metadata: Mapping[str, Any]) -> OpenedWeights:
    """Open the DA-CLIP that metadata name, once its digest has been compared.

    Arguments:
        network: The network that listens to it, for messages.
        path: The weights.
        metadata: What they say of themselves.

    Raises:
        UserError: They name none; it lies further away than in a folder beside theirs, is a link to there, is no file,
            is not there, or has changed.
    """
    known = metadata.get("daclip")
    if not known:
        raise UserError(f"{path} does not say which DA-CLIP {network!r} was trained with: give it as --daclip")
    place, sha256 = PurePosixPath(known["file"]), known["sha256"]
    remedy = f"give the file with sha256 {sha256!r} as --daclip"
    base = (path.parent / ".." if place.parts[:1] == ("..",) else path.parent).resolve()
    file = path.parent / place
    if not is_near(known["file"]):
        raise UserError(
            f"{path} names the DA-CLIP {known['file']!r}, which is neither beside it nor in a folder beside its own, "
            f"where files may send to: {remedy}"
        )
    if not os.path.exists(file):  # unlike the method, it takes names that no system knows
        raise UserError(f"{network!r} was trained with the DA-CLIP {file}, which is not there: {remedy}")
    if not file.resolve().is_relative_to(base):
        raise UserError(f"{path} names the DA-CLIP {file}, which is a link to elsewhere: {remedy}")
    opened = open_weights(regular_file(file, "DA-CLIP"))
    if opened.digest != sha256:
        raise UserError(f"{network!r} was trained with the DA-CLIP {file}, which has changed since: {remedy}")
    return opened
