"""One run: step, log, validate, save, and go on where an earlier process stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from models.errors import UserError
from models.files import write_json, write_sealed
from models.training.callbacks import Callbacks
from models.training.clock import Clock, machine
from models.training.ema import MovingAverage
from models.training.events import EventLog
from models.training.processes import StopFlag, Stopped, from_all, stop_signals
from models.training.randomness import random_state, restore_random_state, seed_everything
from models.training.recipe import Recipe
from models.training.saving import Memory, save_weights
from models.training.schedule import learning_rate
from models.training.stepping import Stepper
from models.training.tasks.contract import Batch, Batches, Task, Validates
from models.training.validate import Best, run_validation
from models.training.watch import Astray, LossWatch, bad_batch
from models.weights.records import BEST

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def _silent(*_: Any) -> None:
    pass


class Run:
    """A task being fitted.

    Arguments:
        task: What is fitted, on the CPU.
        recipe: How.
        out: The run folder.
        fabric: Devices and processes.
        callbacks: What the run is told and tells.
        identity: What makes this run another than others; checkpoints of others are refused.
        facts: Stored with the weights.
        make_task: Makes the task once more, to write weights that are shared out.
    """

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        out: Path,
        *,
        fabric: Fabric,
        callbacks: Callbacks,
        identity: Mapping[str, Any],
        facts: Mapping[str, Any],
        make_task: Callable[[], Task],
    ) -> None:
        self.task, self.recipe, self.out, self.fabric, self.callbacks = task, recipe, out, fabric, callbacks
        self._facts, self._make_task = facts, make_task
        if recipe.validation is not None and (callbacks.validation is None or not isinstance(task, Validates)):
            raise UserError(
                f"recipe {recipe.name} asks for validation, but there is nothing to validate: set validation=null"
            )
        if fabric.global_rank:
            # Weights start alike everywhere; what a process draws later (dropout) is its own.
            seed_everything(recipe.seed + fabric.global_rank)
        self._stepper = Stepper(task, recipe, fabric)
        self._average = MovingAverage(task.trainable, recipe.ema) if recipe.ema else None
        self._watch = LossWatch(recipe, fabric)
        self._best = Best(recipe.validation) if recipe.validation else None
        self._memory = Memory(
            fabric,
            task=task,
            stepper=self._stepper,
            average=self._average,
            watch=self._watch,
            best=self._best,
            identity=identity,
        )

    def go(self, batches: Batches) -> int:
        """Train to the end and leave the final weights, averaged ones where asked for, in the task.

        Returns:
            The number of steps done; fewer than the recipe's when validation stopped improving.
        """
        with stop_signals() as flag:
            start = self._memory.resume(self.out, say=self.callbacks.say if self.fabric.is_global_zero else _silent)
            log = None
            if self.fabric.is_global_zero:
                log = EventLog(self.out, keep_until=start, say=self.callbacks.say, wandb=self.callbacks.wandb)
                log.note(
                    start, "resumed" if start else "started", **machine(self.fabric), parameters=self._stepper.size
                )
            self.callbacks.progress(start, "")
            try:
                done = self._steps(batches, start, log, flag)
            finally:
                if log is not None:
                    log.close()
            flag.finish()
        if self._average is not None:
            self._average.copy_to(self.task.trainable)
        return done

    def _steps(self, batches: Batches, start: int, log: EventLog | None, flag: StopFlag) -> int:
        if self._best is not None and self._best.exhausted:
            return start
        source = batches(start)
        try:
            return self._walk(source, start, log, flag)
        finally:
            # Generators end the threads that read ahead for them.
            getattr(source, "close", _silent)()

    def _walk(self, source: Iterator[Batch], start: int, log: EventLog | None, flag: StopFlag) -> int:
        recipe, clock, note = self.recipe, Clock(), ""
        for step in range(start, recipe.steps):
            asked = time.monotonic()
            batch = next(source)
            clock.waited += time.monotonic() - asked
            for group in self._stepper.optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step, top=group["top_lr"])
            result = self._stepper.step(batch, step)
            done = step + 1
            self._watch.add(done, result.loss, batch.get("index"))
            if self._average is not None:
                self._average.update(done)
            clock.steps, clock.images = clock.steps + 1, clock.images + result.rows
            last = done == recipe.steps
            if done % recipe.log_every == 0 or last:
                note = self._log(done, result.numbers, clock, log)
                clock = Clock()
            self.callbacks.progress(done, note)
            ended = self._validate(done, log)
            stopped = flag.agreed()
            if ended:
                return done
            if (stopped or done % recipe.save_every == 0) and not last:
                self._check(done)
                self._memory.save(self.out, step=done, keep=recipe.keep)
            if stopped and not last:
                if log is not None:
                    log.note(done, "stopped", signal=stopped)
                raise Stopped(stopped, done)
        self._check(recipe.steps)
        return recipe.steps

    def _log(self, done: int, numbers: Mapping[str, Any], clock: Clock, log: EventLog | None) -> str:
        self._check(done)
        loss = self._watch.mean()
        names = sorted(numbers)
        values = torch.tensor([float(numbers[name]) for name in names], dtype=torch.float64)
        values = torch.tensor(from_all(values.tolist()), dtype=torch.float64).mean(dim=0) if names else values
        lines = dict(zip(names, values.tolist(), strict=True))
        if log is not None:
            rate = self._stepper.optimizer.param_groups[0]["lr"]
            log.write(done, {"loss": loss, **lines, "lr": rate, **clock.numbers(self.fabric)})
        return f"loss {loss:.4g}"

    def _check(self, done: int) -> None:
        """Read the losses so far and stop when one went astray, before anything is saved.

        Raises:
            UserError: A loss is no number or far above the others, or a weight is no number.
        """
        astray = self._watch.read()
        if astray is None and self._stepper.weights_are_numbers():
            return
        astray = astray or Astray(step=done, loss=float("nan"), usual=None, rows=[])
        if self.fabric.is_global_zero:
            write_json(self.out / "bad_batch.json", bad_batch(astray, self.callbacks.keys))
        newest = f"checkpoints in {self.out} are from before"
        if astray.usual is not None and astray.loss > astray.usual:
            raise UserError(
                f"the loss rose to {astray.loss:.4g} at step {astray.step} of {self.recipe.name}, where "
                f"{astray.usual:.4g} was usual: look at the pairs in {self.out / 'bad_batch.json'} "
                f"({newest}), then continue with --set spike=null, or train with a lower optimizer.lr"
            )
        raise UserError(
            f"the loss became {astray.loss} at step {astray.step} of {self.recipe.name}: look at the pairs in "
            f"{self.out / 'bad_batch.json'} ({newest}), then train with a lower optimizer.lr"
        )

    def _validate(self, done: int, log: EventLog | None) -> bool:
        """Validate when it is time to, and return whether the run should stop."""
        settings, validation = self.recipe.validation, self.callbacks.validation
        if settings is None or validation is None or self._best is None or not isinstance(self.task, Validates):
            return False
        if done % settings.every and done != self.recipe.steps:
            return False
        self._check(done)
        before = random_state()
        with self._averaged():
            result = run_validation(self._stepper.score, validation, self.fabric, images=settings.images)
            best = self._best.update(done, result.numbers)
            if best:
                self.save_weights(self.out / "best.safetensors", step=done)
        restore_random_state(before)
        if log is not None:
            log.write(done, {f"validation/{name}": value for name, value in result.numbers.items()})
            for number, image in enumerate(result.images):
                log.show(done, f"restored/{number}", image[None])
            if best:
                log.note(done, "best", score=self._best.value)
                write_sealed(self.out / BEST, {"step": done, "score": self._best.value, "scores": result.numbers})
        if self._best.exhausted and done < self.recipe.steps:
            best_step = self._best.step
            if log is not None:
                log.note(done, "stopped early", best_step=best_step)
                self.callbacks.say(f"stopped at step {done}: no better than at step {best_step} (best.safetensors)")
            return True
        return False

    def _averaged(self) -> AbstractContextManager[None]:
        return self._average.applied() if self._average is not None else nullcontext()

    def save_weights(self, path: Path, *, step: int) -> None:
        """Write the weights as they are now; all processes take part."""
        facts = {**self._facts, "step": step}
        sharded = self._stepper.sharded
        save_weights(self.fabric, self.task, path, facts=facts, sharded=sharded, make_task=self._make_task)
