"""The loop that fits every task: step, log, save, resume to the bit."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.files import atomic_path, read_json, sha256_file, single_writer, write_json, write_text
from models.training.ema import MovingAverage
from models.training.events import EventLog
from models.training.recipe import Recipe, recipe_yaml

Batch = Mapping[str, Tensor]
Batches = Callable[[int], Iterator[Batch]]


class Task(Protocol):
    """What is fitted."""

    @property
    def trainable(self) -> nn.Module:
        """The module whose parameters are optimised, averaged and checkpointed."""
        ...

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the loss of a batch and further numbers for the log."""
        ...

    def after_step(self) -> None:
        """Run what must hold after every optimiser step."""
        ...

    def save(self, path: Path, *, facts: Mapping[str, Any]) -> None:
        """Write the final weights with `facts` in their metadata."""
        ...


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step (counted from 0): linear warm-up, then cosine to the minimum."""
    top, low, warm = recipe.optimizer.lr, recipe.schedule.minimum_lr, recipe.schedule.warmup_steps
    if step < warm:
        return top * (step + 1) / warm
    part = (step - warm) / max(recipe.steps - warm, 1)
    return low + (top - low) * 0.5 * (1 + math.cos(math.pi * part))


def make_optimizer(recipe: Recipe, module: nn.Module) -> torch.optim.AdamW:
    """Return AdamW over the trainable parameters; gains, biases and scalars are not decayed."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    settings = recipe.optimizer
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps)


def fit(
    make_task: Callable[[], Task],
    batches: Batches,
    recipe: Recipe,
    out: Path,
    *,
    dataset: Mapping[str, Any],
    tool: str,
    device: str = "cpu",
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Fit a task and write `weights.safetensors`, `recipe.yaml`, `events.jsonl` and, last, `manifest.json`.

    An interrupted run continues from its newest checkpoint. Batches are a function of the step alone, so it ends with
    the same weights, bit for bit on a CPU with the same number of threads.

    Arguments:
        make_task: Makes the task; called after the generator of torch has been seeded from the recipe.
        batches: Returns the endless iterator of batches that starts at a given step.
        recipe: What to do.
        out: The run folder.
        dataset: What the data is (its digest), stored with the weights.
        tool: Version of this project, stored with the weights.
        device: Where the task runs.
        progress: Called with the number of steps done.

    Returns:
        The run's manifest.

    Raises:
        UserError: The folder holds another run, or the loss is no longer a finite number.
    """
    identity = {"recipe": recipe.model_dump(mode="json"), "dataset": dict(dataset)}
    with single_writer(out):
        if (out / "manifest.json").is_file():
            manifest = read_json(out / "manifest.json", "run manifest")
            _refuse_other(out, manifest["run"], identity)
            if sha256_file(out / "weights.safetensors") == manifest["weights_sha256"]:
                progress(recipe.steps)
                return manifest
        if (out / "run.json").is_file():
            _refuse_other(out, read_json(out / "run.json", "run description"), identity)
        write_json(out / "run.json", identity)
        write_text(out / "recipe.yaml", recipe_yaml(recipe))
        torch.manual_seed(recipe.seed)
        task = make_task()
        _run(task, batches, recipe, out, device=device, progress=progress)
        task.save(out / "weights.safetensors", facts={**identity, "step": recipe.steps, "tool": tool})
        manifest = {
            "schema": 1,
            "run": identity,
            "weights_sha256": sha256_file(out / "weights.safetensors"),
            "steps": recipe.steps,
            "tool": tool,
        }
        write_json(out / "manifest.json", manifest)
        (out / "checkpoint.pt").unlink(missing_ok=True)
        return manifest


def _run(
    task: Task, batches: Batches, recipe: Recipe, out: Path, *, device: str, progress: Callable[[int], None]
) -> None:
    module = task.trainable.to(device).train()
    optimizer = make_optimizer(recipe, module)
    average = MovingAverage(module, recipe.ema) if recipe.ema else None
    start = _resume(out / "checkpoint.pt", module, optimizer, average)
    log = EventLog(out, keep_until=start)
    progress(start)
    source = batches(start)
    clock, logged = time.monotonic(), start
    for step in range(start, recipe.steps):
        batch = {name: value.to(device) for name, value in next(source).items()}
        rate = learning_rate(recipe, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, numbers = task.loss(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        task.after_step()
        if average is not None:
            average.update(step + 1)
        done = step + 1
        progress(done)
        if done % recipe.log_every == 0 or done == recipe.steps:
            value = float(loss.detach())
            if not math.isfinite(value):
                raise UserError(
                    f"the loss became {value} at step {done} of {recipe.name}: the newest checkpoint in {out} is from "
                    "before; delete the folder and train with a lower optimizer.lr"
                )
            now = time.monotonic()
            extra = {name: float(number) for name, number in numbers.items()}
            speed = (done - logged) / (now - clock)
            log.write(done, {"loss": value, **extra, "lr": rate, "steps_per_second": round(speed, 3)})
            clock, logged = now, done
        if done % recipe.save_every == 0 and done < recipe.steps:
            _save_checkpoint(out / "checkpoint.pt", done, module, optimizer, average)
    if average is not None:
        average.copy_to(module)
    log.close()


def _save_checkpoint(
    path: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer, average: MovingAverage | None
) -> None:
    trained = {name: value.detach() for name, value in module.named_parameters() if value.requires_grad}
    state = {"step": step, "module": trained, "optimizer": optimizer.state_dict()}
    if average is not None:
        state["average"] = average.state
    with atomic_path(path) as partial:
        torch.save(state, partial)


def _resume(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, average: MovingAverage | None) -> int:
    if not path.is_file():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError) as error:
        raise UserError(f"checkpoint {path} cannot be read ({error}): delete it to start the run again") from None
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in state["module"].items():
            parameters[name].copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    if average is not None:
        average.load(state["average"])
    return int(state["step"])


def _refuse_other(out: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True):
        return
    for part in ("recipe", "dataset"):
        keys = {*found[part], *wanted[part]}
        for key in sorted(keys):
            if found[part].get(key) != wanted[part].get(key):
                raise UserError(
                    f"{out} holds another run ({part} {key}: {found[part].get(key)!r} there, {wanted[part].get(key)!r} "
                    "wanted): choose another --out, or delete the folder"
                )
