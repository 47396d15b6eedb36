"""Writing a run's weights with all that is needed to use and to repeat them."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from models.errors import UserError
from models.weights.opened import OpenedWeights, open_weights
from models.weights.saving import save_weights

SCHEMA = 1


def save_run_weights(
    path: Path,
    *,
    task: str,
    network: str,
    state: nn.Module | Mapping[str, Tensor],
    arch: Mapping[str, object],
    recipe: Mapping[str, object],
    dataset: Mapping[str, object],
    step: int,
    daclip: Path | OpenedWeights | None = None,
    daclip_sha256: str | None = None,
    sde: Mapping[str, object] | None = None,
    tool: str | None = None,
) -> None:
    """Write weights with their birth certificate.

    Arguments:
        path: The file to write, e.g. `RUN/weights.safetensors`.
        task: "restoration" or "daclip".
        network: The network's name; "daclip" for the task of that name.
        state: The module or its state dict; without the DA-CLIP that a network listens to.
        arch: Constructor arguments of the network; `DaClip.arch` for a DA-CLIP.
        recipe: The recipe in full.
        dataset: What it was trained on, e.g. `{"digest": ...}`.
        step: Number of steps done.
        daclip: Weights file or run of the DA-CLIP that the network was trained with.
        daclip_sha256: Of the DA-CLIP that was loaded, when it is known; else the file is digested as it is now.
        sde: For diffusion networks, the settings of the process that they were trained on; sampling with others gives
            noise.
        tool: Version of the program; None to look up the installed one.

    Raises:
        UserError: The task is unknown or the DA-CLIP file does not exist.
    """
    if task not in ("restoration", "daclip"):
        raise UserError(f"unknown task {task!r}: restoration or daclip")
    recorded: dict[str, object] | None = None
    if daclip is not None:
        opened = open_weights(daclip)
        # Relative, so that a folder of runs can be moved as a whole.
        recorded = {"file": os.path.relpath(opened.path, path.parent), "sha256": daclip_sha256 or opened.digest}
    metadata = {
        "schema": SCHEMA,
        "task": task,
        "network": network,
        "arch": dict(arch),
        "daclip": recorded,
        "recipe": dict(recipe),
        "dataset": dict(dataset),
        "step": step,
        "tool": tool or version(),
    }
    if sde is not None:
        metadata["sde"] = dict(sde)
    save_weights(path, state.state_dict() if isinstance(state, nn.Module) else state, metadata)


def version() -> str:
    """Return the installed version of the program, or "unknown"."""
    try:
        return importlib.metadata.version("daclip-bench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
