"""What a weights file says of itself: words and numbers of known kinds, and names of the catalogues alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.diffusion.samplers import SAMPLERS
from models.errors import UserError, close_match
from models.networks import NETWORKS
from models.weights.reading import is_safetensors, safetensors_metadata

DACLIP = "daclip"
TASKS = ("restoration", "daclip")
NONE = type(None)
KINDS: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "task": (str,),
    "network": (str,),
    "arch": (dict,),
    "daclip": (dict, NONE),
    "recipe": (dict,),
    "dataset": (dict,),
    "source": (dict,),
    "sde": (dict,),
    "step": (int, NONE),
    "nfe": (int, NONE),
    "tool": (str,),
    "sampler": (str, NONE),
    "daclip_name": (str, NONE),
}
"""The kinds of values that our metadata have; other keys may hold anything, as nothing is done with them."""
INSIDE: dict[tuple[str, str], tuple[type, ...]] = {
    ("recipe", "name"): (str,),
    ("recipe", "preset"): (str,),
    ("recipe", "arch"): (dict,),
    ("daclip", "file"): (str,),
    ("daclip", "sha256"): (str,),
    ("sde", "steps"): (int,),
    ("sde", "max_sigma"): (int, float),
    ("sde", "schedule"): (str,),
    ("sde", "eps"): (int, float),
}
MOST_STEPS = 100_000


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what `save_weights` stored beside the tensors; an empty dict for files written by others.

    Raises:
        UserError: The file is missing or damaged, or says what none of our files says: a value of another kind, or the
            name of a network, a sampler or a task that is not in the catalogue. No name in a file is ever imported.
    """
    if not path.exists():
        raise UserError(f"weights not found: {path}")
    if not is_safetensors(path):
        return {}
    return checked(safetensors_metadata(path), path)


def checked(metadata: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return metadata when all their values are of the kinds that ours have.

    Raises:
        UserError: One is not.
    """
    for key, kinds in KINDS.items():
        if key in metadata:
            _require(metadata[key], kinds, key, path)
    for (group, key), kinds in INSIDE.items():
        inner = metadata.get(group)
        if inner and key in inner:
            _require(inner[key], kinds, f"{group}.{key}", path)
    recorded = metadata.get("daclip")
    if recorded and not {"file", "sha256"} <= recorded.keys():
        raise UserError(f"{path} names a DA-CLIP without its file and digest: it is damaged, or written by hand")
    _require_names(metadata, path)
    return metadata


def _require_names(metadata: Mapping[str, Any], path: Path) -> None:
    network, sampler, task = metadata.get("network"), metadata.get("sampler"), metadata.get("task")
    if network is not None and network != DACLIP and network not in NETWORKS:
        raise UserError(
            f"{path} says that it holds the network {network!r}, which is not in the catalogue"
            f"{close_match(network, NETWORKS)}: a file may name networks of the catalogue alone; code from outside is "
            "named on the command line, by --network (see bench list networks)"
        )
    if task is not None and task not in TASKS:
        raise UserError(f"{path} says that its task is {task!r}, expected {' or '.join(TASKS)}: it is damaged")
    if task is not None and network is not None and (task == "daclip") != (network == DACLIP):
        raise UserError(f"{path} says that it holds {network!r} for the task {task!r}: it is damaged")
    if sampler is not None and sampler not in SAMPLERS:
        raise UserError(f"{path} names the sampler {sampler!r}, which is not in the catalogue: bench list samplers")
    process = metadata.get("sde", {})
    if unknown := process.keys() - {key for group, key in INSIDE if group == "sde"}:
        raise UserError(f"{path} describes its process by the unknown word {sorted(unknown)[0]!r}: it is damaged")
    if process.get("steps", 1) > MOST_STEPS:
        raise UserError(f"{path} names a process of {process['steps']} steps, more than {MOST_STEPS}: it is damaged")


def _require(value: Any, kinds: tuple[type, ...], key: str, path: Path) -> None:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise UserError(
            f"{path} says {type(value).__name__} for {key!r} of itself, expected "
            f"{' or '.join(kind.__name__ for kind in kinds if kind is not NONE)}: it is damaged, or written by hand"
        )
