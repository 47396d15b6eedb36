"""Fitting a task: what a run folder holds, and what makes it whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import UserError
from models.files import sha256_file, single_writer, write_sealed, write_text
from models.training.callbacks import Callbacks
from models.training.checkpoint import checkpoint_files, remove_checkpoint
from models.training.devices import make_fabric
from models.training.loop import Run
from models.training.processes import on_first
from models.training.randomness import seed_everything
from models.training.recipe import OPERATIONAL, Recipe, recipe_yaml
from models.training.start import start_from
from models.training.tasks.contract import Batches, Task
from models.weights.opened import open_weights
from models.weights.records import DESCRIPTION, MANIFEST, read_best, read_description, read_manifest

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fit(
    make_task: Callable[[], Task],
    batches: Batches,
    recipe: Recipe,
    out: Path,
    *,
    dataset: Mapping[str, Any],
    inputs: Mapping[str, str] | None = None,
    tool: str,
    device: str = "cpu",
    fabric: Fabric | None = None,
    init: Path | None = None,
    partial: bool = False,
    callbacks: Callbacks | None = None,
) -> dict[str, Any]:
    """Fit a task and write `weights.safetensors`, `recipe.yaml`, `events.jsonl` and, last, `manifest.json`.

    An interrupted run continues from its newest checkpoint. Batches are a function of the step alone, so it ends with
    the same weights, bit for bit on a CPU with the same number of threads. In several processes, this is called in each
    of them; the first one writes.

    Arguments:
        make_task: Makes the task; called after all generators have been seeded from the recipe.
        batches: Returns the endless iterator of this process's batches that starts at a given step.
        recipe: What to do.
        out: The run folder.
        dataset: What the data is (its digest), stored with the weights.
        inputs: Digests of what else is read to make the batches (captions); the run goes on with no others.
        tool: Version of this project, stored with the weights.
        device: Where the task runs, when `fabric` is None.
        fabric: Devices and processes, launched; one process on `device` when None.
        init: Weights file or run to start from.
        partial: Whether only some of its tensors need to fit.
        callbacks: What the run is told and tells: validation images, names of rows, progress.

    Returns:
        The run's manifest.

    Raises:
        UserError: The folder holds another run, or the loss is no longer a number or far above what it was.
        Stopped: SIGINT or SIGTERM came, and the run has saved where it is.
    """
    fabric = fabric or make_fabric(device=device, precision=recipe.precision)
    callbacks = callbacks or Callbacks()
    data = dict(dataset)
    start = open_weights(init) if init is not None else None
    if start is not None:
        data["init_sha256"] = on_first(fabric, lambda: start.digest)
    facts = {"recipe": recipe.model_dump(mode="json"), "dataset": data}
    with _writer(fabric, out):
        known = dict(inputs or {}) if on_first(fabric, lambda: _records_inputs(out, inputs, callbacks)) else {}
        identity = {**facts, **({"inputs": known} if known else {})}
        finished = on_first(fabric, lambda: _finished_run(out, identity))
        if finished is not None:
            callbacks.progress(finished["steps"], "")
            return finished
        seed_everything(recipe.seed)
        task = make_task()
        if start is not None:
            for line in start_from(getattr(task.trainable, "network", task.trainable), start, partial=partial):
                if fabric.is_global_zero:
                    callbacks.say(line)
        run = Run(
            task,
            recipe,
            out,
            fabric=fabric,
            callbacks=callbacks,
            identity={**identity, "recipe": recipe.identity()},
            facts={**facts, "tool": tool},
            make_task=make_task,
        )
        # Only now that all could be made: a mistake in the recipe leaves nothing that its correction differs from.
        on_first(fabric, lambda: _describe(out, recipe, identity))
        steps = run.go(batches)
        run.save_weights(out / "weights.safetensors", step=steps)
        return on_first(fabric, lambda: _finish(out, identity, steps=steps, tool=tool))


@contextmanager
def _writer(fabric: Fabric, out: Path) -> Iterator[None]:
    with ExitStack() as stack:
        on_first(fabric, lambda: stack.enter_context(single_writer(out)))
        yield


def _records_inputs(out: Path, inputs: Mapping[str, str] | None, callbacks: Callbacks) -> bool:
    """Tell whether the run's identity holds its inputs: that of a run begun before they were does not."""
    if not inputs or not (out / DESCRIPTION).is_file() or "inputs" in read_description(out):
        return bool(inputs)
    callbacks.say(f"{out} was begun by an earlier version, which did not record {', '.join(inputs)}: not compared")
    return False


def _finished_run(out: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the manifest of a run that has ended with its weights in place; refuse the folder of another run."""
    if (out / MANIFEST).is_file():
        manifest = read_manifest(out)
        _refuse_other(out, manifest["run"], identity)
        weights = out / "weights.safetensors"
        if weights.is_file() and sha256_file(weights) == manifest["weights_sha256"]:
            return manifest
    if (out / DESCRIPTION).is_file():
        _refuse_other(out, read_description(out), identity)
    # What is wrong with it is told before hours of training, not after.
    read_best(out)
    return None


def _describe(out: Path, recipe: Recipe, identity: Mapping[str, Any]) -> None:
    write_sealed(out / DESCRIPTION, identity)
    write_text(out / "recipe.yaml", recipe_yaml(recipe))


def _finish(out: Path, identity: Mapping[str, Any], *, steps: int, tool: str) -> dict[str, Any]:
    manifest = {
        "schema": 1,
        "run": dict(identity),
        "weights_sha256": sha256_file(out / "weights.safetensors"),
        "steps": steps,
        "tool": tool,
    }
    if (out / "best.safetensors").is_file():
        manifest["best_sha256"] = sha256_file(out / "best.safetensors")
    write_sealed(out / MANIFEST, manifest)
    for file in checkpoint_files(out):
        remove_checkpoint(file)
    return manifest


def _refuse_other(out: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for part in ("recipe", "dataset", "inputs"):
        mine, other = wanted.get(part, {}), found.get(part, {})
        for key in sorted({*other, *mine} - set(OPERATIONAL)):
            there, here = other.get(key), mine.get(key)
            if json.dumps(there, sort_keys=True) != json.dumps(here, sort_keys=True):
                raise UserError(
                    f"{out} holds another run ({part} {key}: {there!r} there, {here!r} wanted): choose another --out, "
                    "or delete the folder"
                )
