"""Checkpoints: all that a run needs to go on as if it had never stopped, written whole or not at all."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.files import atomic_path, read_sealed, sha256_file, write_sealed
from models.training.processes import alike, whole

FORMAT = 2


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, the newest first."""
    return sorted(folder.glob("checkpoint-*.pt"), reverse=True)


def digest_file(file: Path) -> Path:
    """Return where the digest of a checkpoint is recorded: beside it."""
    return file.with_suffix(".json")


def remove_checkpoint(file: Path) -> None:
    """Remove a checkpoint, then its digest: it is never without one."""
    file.unlink(missing_ok=True)
    digest_file(file).unlink(missing_ok=True)


def write_checkpoint(folder: Path, state: Mapping[str, Any], *, keep: int) -> None:
    """Write `checkpoint-STEP.pt` with its digest beside it, then remove all but the newest `keep`.

    Arguments:
        folder: The run folder.
        state: Tensors, numbers, texts and containers of them; `step` names the file.
        keep: Checkpoints that stay.

    Raises:
        UserError: The disk is full or fails; the checkpoints before are as they were.
    """
    file = folder / f"checkpoint-{state['step']:09d}.pt"
    try:
        with atomic_path(file) as partial:
            torch.save({"format": FORMAT, **state}, partial)
            # First the digest, then the file by its final name: a kill in between leaves a digest without a file.
            write_sealed(digest_file(file), {"sha256": sha256_file(partial), "bytes": partial.stat().st_size})
    except (RuntimeError, OSError) as error:
        if not file.exists():
            digest_file(file).unlink(missing_ok=True)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"the checkpoint {file} could not be written ({reason}): make room on the disk, then run the same command "
            "again; it continues from the checkpoint before"
        ) from None
    for old in checkpoint_files(folder)[keep:]:
        remove_checkpoint(old)


def read_checkpoint(folder: Path, *, run: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Return the newest checkpoint that is whole, on the CPU; None when there is none.

    Arguments:
        folder: The run folder; what a killed process left half written in it is removed.
        run: Digest of recipe and data that the checkpoint must be of.
        say: Called with a sentence for each file that is damaged, or that was written before digests were.

    Raises:
        UserError: There are checkpoints, but none can be read, or they are of another run.
    """
    for rest in folder.glob(".checkpoint-*.partial"):
        rest.unlink(missing_ok=True)
    for digest in folder.glob("checkpoint-*.json"):
        if not digest.with_suffix(".pt").exists():
            digest.unlink(missing_ok=True)
    files = checkpoint_files(folder)
    for file in files:
        try:
            state = _read_whole(file, say)
        except (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            say(f"{file} cannot be read ({reason}): the run goes on from the one before")
            continue
        if state.get("format") != FORMAT or state.get("run") != run:
            raise UserError(f"{file} is not of this run: choose another --out, or delete the folder")
        return state
    if files:
        raise UserError(f"no checkpoint in {folder} can be read: delete them to start the run again")
    return None


def _read_whole(file: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Load a checkpoint from the bytes that have been digested.

    Raises:
        ValueError: The file is not the one whose digest was recorded; torch raises others of its own.
    """
    if not file.is_file():
        raise ValueError("it is no file")
    with open(file, "rb") as handle:
        if digest_file(file).exists():
            try:
                recorded = read_sealed(digest_file(file), "digest of a checkpoint", remedy="delete the checkpoint")
            except UserError as error:
                raise ValueError(str(error)) from None
            if hashlib.file_digest(handle, "sha256").hexdigest() != recorded.get("sha256"):
                raise ValueError("its bytes are not those that were written: the file is damaged")
            handle.seek(0)
        else:
            say(f"{file} has no digest beside it, as earlier versions wrote none: it is taken as it is")
        state = torch.load(handle, map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise ValueError("it holds no state of a run")
    return state


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
