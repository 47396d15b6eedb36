"""Checkpoints: all that a run needs to go on as if it had never stopped, written whole or not at all."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.files import atomic_path
from models.training.together import alike, whole

FORMAT = 2


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, the newest first."""
    return sorted(folder.glob("checkpoint-*.pt"), reverse=True)


def write_checkpoint(folder: Path, state: Mapping[str, Any], *, keep: int) -> None:
    """Write `checkpoint-STEP.pt`, then remove all but the newest `keep`.

    Arguments:
        folder: The run folder.
        state: Tensors, numbers, texts and containers of them; `step` names the file.
        keep: Checkpoints that stay.
    """
    with atomic_path(folder / f"checkpoint-{state['step']:09d}.pt") as partial:
        torch.save({"format": FORMAT, **state}, partial)
    for old in checkpoint_files(folder)[keep:]:
        old.unlink()


def read_checkpoint(folder: Path, *, run: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Return the newest checkpoint that can be read, on the CPU; None when there is none.

    Arguments:
        folder: The run folder; what a killed process left half written in it is removed.
        run: Digest of recipe and data that the checkpoint must be of.
        say: Called with a sentence for each file that cannot be read.

    Raises:
        UserError: There are checkpoints, but none can be read, or they are of another run.
    """
    for rest in folder.glob(".checkpoint-*.partial"):
        rest.unlink(missing_ok=True)
    files = checkpoint_files(folder)
    for file in files:
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            say(f"{file} cannot be read ({str(error).splitlines()[0]}): the run goes on from the one before")
            continue
        if state.get("format") != FORMAT or state.get("run") != run:
            raise UserError(f"{file} is not of this run: choose another --out, or delete the folder")
        return state
    if files:
        raise UserError(f"no checkpoint in {folder} can be read: delete them to start the run again")
    return None


def module_state(module: nn.Module, *, frozen: bool = False) -> dict[str, dict[str, Tensor]]:
    """Return trainable parameters, those that follow them, and persistent buffers, gathered.

    Arguments:
        module: The module.
        frozen: Whether all other parameters come too; a resumed run has them from where it had them first.
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    buffers = {name: value for name, value in module.state_dict(keep_vars=True).items() if name not in parameters}
    followers = _followers(module)
    wanted = {
        name: value
        for name, value in module.named_parameters()
        if frozen or value.requires_grad or name.startswith(followers)
    }
    return {"parameters": whole(wanted), "buffers": whole(buffers)}


def _followers(module: nn.Module) -> tuple[str, ...]:
    """Return how the names of parameters begin that get no gradient but follow others (a module's `followers`)."""
    return tuple(
        f"{name}.{part}." if name else f"{part}."
        for name, inner in module.named_modules()
        for part in getattr(inner, "followers", ())
    )


@torch.no_grad()
def load_module_state(module: nn.Module, state: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Put back what `module_state` returned."""
    own = {**module.state_dict(keep_vars=True), **dict(module.named_parameters())}
    for name, value in {**state["parameters"], **state["buffers"]}.items():
        if name not in own or own[name].shape != value.shape:
            raise UserError(f"the checkpoint's {name} is not of this network: delete the run folder to start again")
        own[name].copy_(alike(value, own[name]))


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Put back a gathered state of an optimiser, shared out as its parameters are."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    parts = {
        number: {
            # What has the parameter's shape is shared out like it; a count of steps is not.
            name: alike(part, parameters[number])
            if isinstance(part, Tensor) and part.shape == parameters[number].shape and part.ndim
            else part
            for name, part in values.items()
        }
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict({"state": parts, "param_groups": state["param_groups"]})
