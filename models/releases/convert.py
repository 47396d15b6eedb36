"""A checkpoint of the authors to our safetensors file: tensors alone, with their provenance and their settings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.daclip.skeleton import skeleton
from models.errors import UserError
from models.releases.matching import adapted, owners
from models.releases.official import by_digest, defaults_of
from models.releases.recognise import recognise
from models.weights.files import weights_file
from models.weights.fitting import aliases, fitted
from models.weights.nesting import Checkpoint, tensor_bytes
from models.weights.opened import OpenedWeights, open_weights
from models.weights.run import SCHEMA, version
from models.weights.saving import save_weights

TWIN = "visual."


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What a conversion did.

    Arguments:
        metadata: What was written beside the tensors.
        tensors: Number of tensors kept.
        kept: Their bytes.
        written: Length of the new file in bytes.
        repeated: True when the file was there already, from the same checkpoint.
    """

    metadata: dict[str, Any]
    tensors: int
    kept: int
    written: int
    repeated: bool = False


def convert(
    source: Path,
    out: Path,
    *,
    daclip: Path | None = None,
    max_sigma: float | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Converted:
    """Write the tensors of a checkpoint as safetensors; `load_daclip` and `load_restorer` then need nothing else.

    The tensors stay mapped from the file, so little more than the operating system's cache is used. Optimiser state,
    the prefix `module.` and the second copy of CLIP's image tower are left out.

    Arguments:
        source: A checkpoint of the authors of any network of the catalogue, or of a DA-CLIP.
        out: The file to write, ending in .safetensors.
        daclip: The DA-CLIP that the network was trained with, to be found by later commands.
        max_sigma: Noise level that a U-Net was trained with, where it is not the published one.
        progress: Called with the number of bytes of `source` digested.

    Raises:
        UserError: The file cannot be read, is not one of these networks or does not fit it, or `out` is another file.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"{out} must end in .safetensors, as that is what is written")
    opened = OpenedWeights(weights_file(source), progress=progress)
    found = opened.checkpoint()
    if opened.metadata:
        raise UserError(f"{source} is one of our files already: there is nothing to convert")
    owner = next((card.name for card in owners(opened)), None)
    layout = recognise(found.state, released=owner)
    if layout is None:
        names = ", ".join(list(found.state)[:3])
        raise UserError(f"{source} is of no network that can be converted (its first names are {names})")
    digest = opened.digest
    origin = {"file": source.name, "sha256": digest, "bytes": opened.size}
    state, twins = without_twins(found.state, source)
    if layout.task == "restoration":
        state = adapted(layout.network, state)
    fitted(skeleton(layout.network, layout.arch, tensors=len(state)), state, f"the weights {source}")
    released = by_digest(digest)
    metadata = _settings(defaults_of(layout, released.name if released else source.name), out, daclip, max_sigma)
    dropped = {key: {"bytes": size} for key, size in found.left.items()}
    if twins:
        dropped["visual.*"] = {"tensors": len(twins), "bytes": tensor_bytes(twins)}
    official = released.name if released else source.name if owner else None
    origin |= {"official": official, "dropped": dropped, "facts": found.facts}
    metadata |= {"step": _step(found), "source": origin, "tool": version()}
    kept = Converted(metadata=metadata, tensors=len(state), kept=tensor_bytes(state), written=0)
    if out.exists():
        if not (out.is_file() and _holds(OpenedWeights(out), state, metadata)):
            raise UserError(f"{out} is there already and is another file: delete it or choose another name")
        return Converted(**{**vars(kept), "written": out.stat().st_size, "repeated": True})
    save_weights(out, state, metadata)
    opened.require_unchanged()
    return Converted(**{**vars(kept), "written": out.stat().st_size})


def without_twins(state: Mapping[str, Tensor], path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Part the second copy of CLIP's image tower (`visual.*`) from the other tensors.

    Raises:
        UserError: The two copies differ.
    """
    twins = {key: value for key, value in state.items() if key.startswith(TWIN) and f"clip.{key}" in state}
    for key, value in twins.items():
        first = state[f"clip.{key}"]
        if value.data_ptr() != first.data_ptr() and not torch.equal(value, first):
            raise UserError(f"{path} holds two different image towers (at {key}): it is not an intact DA-CLIP")
    return {key: value for key, value in state.items() if key not in twins}, twins


def _settings(found: dict[str, Any], out: Path, daclip: Path | None, max_sigma: float | None) -> dict[str, Any]:
    conditioned = bool(found.get("daclip_name"))
    if daclip is not None and not conditioned:
        raise UserError(f"this file holds {found['network']!r}, which listens to no DA-CLIP: leave --daclip away")
    if max_sigma is not None:
        if "sde" not in found:
            raise UserError(f"this file holds {found['network']!r}, which has no noise level: leave --max-sigma away")
        found["sde"] = {**found["sde"], "max_sigma": max_sigma}
    recorded = None
    if daclip is not None:
        given = open_weights(daclip)
        recorded = {"file": os.path.relpath(given.path, out.parent), "sha256": given.digest}
    return {"schema": SCHEMA, **found, "daclip": recorded, "recipe": {}, "dataset": {}}


def _step(found: Checkpoint) -> int | None:
    step = found.facts.get("iter", found.facts.get("epoch"))
    return step if isinstance(step, int) else None


def _holds(written: OpenedWeights, state: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> bool:
    """Tell whether a file holds exactly these tensors and metadata."""
    twins = aliases(state)
    expected = {key: value for key, value in state.items() if key not in twins}
    if written.metadata != metadata or written.state.keys() != expected.keys():
        return False
    return all(_bits(written.state[key]) == _bits(value) for key, value in expected.items())


def _bits(value: Tensor) -> tuple[Any, ...]:
    value = value.detach().contiguous()
    return value.dtype, value.shape, hashlib.sha256(value.reshape(-1).view(torch.uint8).numpy().data).digest()
