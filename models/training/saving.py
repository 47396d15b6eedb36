"""Everything that a run must remember, gathered from all processes, saved and put back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.files import sha256_json
from models.training.checkpoint import (
    load_module_state,
    load_optimizer_state,
    module_state,
    read_checkpoint,
    write_checkpoint,
)
from models.training.ema import MovingAverage
from models.training.processes import from_all, on_first, whole
from models.training.randomness import random_state, restore_random_state
from models.training.stepping import Stepper
from models.training.tasks.contract import Task
from models.training.validate import Best
from models.training.watch import LossWatch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Memory:
    """What changes while a run goes on.

    Arguments:
        fabric: The processes.
        task: What is fitted.
        stepper: Its module and optimiser on their devices.
        average: The moving average, or None.
        watch: The losses seen.
        best: The best validation, or None.
        identity: What makes this run another than others; checkpoints of others are refused.
    """

    def __init__(
        self,
        fabric: Fabric,
        *,
        task: Task,
        stepper: Stepper,
        average: MovingAverage | None,
        watch: LossWatch,
        best: Best | None,
        identity: Mapping[str, Any],
    ) -> None:
        self._fabric, self._task, self._stepper = fabric, task, stepper
        self._average, self._watch, self._best = average, watch, best
        self._run = sha256_json(identity)

    def save(self, folder: Path, *, step: int, keep: int) -> None:
        """Write a checkpoint; all processes take part, the first one writes."""
        state = {
            "step": step,
            "run": self._run,
            "module": module_state(self._task.trainable),
            "optimizer": whole(self._stepper.optimizer.state_dict()),
            "average": whole(self._average.state) if self._average is not None else None,
            "scaler": self._fabric.strategy.precision.state_dict(),
            "random": from_all(random_state()),
            "watch": self._watch.state(),
            "best": self._best.state() if self._best is not None else None,
        }
        on_first(self._fabric, lambda: write_checkpoint(folder, state, keep=keep))

    def resume(self, folder: Path, *, say: Callable[[str], None]) -> int:
        """Put back the newest checkpoint and return its step; 0 without one."""
        # On a disk that all processes share, as a run folder must be, they find the same file.
        state = read_checkpoint(folder, run=self._run, say=say)
        if state is None:
            return 0
        load_module_state(self._task.trainable, state["module"])
        load_optimizer_state(self._stepper.optimizer, state["optimizer"])
        if self._average is not None:
            self._average.load(state["average"])
        if state["scaler"]:
            self._fabric.strategy.precision.load_state_dict(state["scaler"])
        if self._fabric.global_rank < len(state["random"]):
            restore_random_state(state["random"][self._fabric.global_rank])
        self._watch.load(state["watch"])
        if self._best is not None and state["best"] is not None:
            self._best.load(state["best"])
        return int(state["step"])


def save_weights(
    fabric: Fabric,
    task: Task,
    path: Path,
    *,
    facts: Mapping[str, Any],
    sharded: bool,
    make_task: Callable[[], Task],
) -> None:
    """Write a task's weights with all that is needed to use and to repeat them.

    Arguments:
        fabric: The processes; the first one writes.
        task: What was fitted.
        path: The file.
        facts: Stored beside the tensors.
        sharded: Whether each process holds a part of the weights; they are then gathered in a second task.
        make_task: Makes that task.
    """
    if not sharded:
        on_first(fabric, lambda: task.save(path, facts=facts))
        return
    state = module_state(task.trainable, frozen=True)

    def write() -> None:
        before = random_state()
        writer = make_task()
        load_module_state(writer.trainable, state)
        restore_random_state(before)
        writer.save(path, facts=facts)

    on_first(fabric, write)
