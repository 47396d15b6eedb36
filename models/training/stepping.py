"""One optimiser step: a batch in parts, gradients averaged over parts and processes, clipped, applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from models.errors import UserError
from models.training.optimizers import make_optimizer
from models.training.processes import whole
from models.training.recipe import Recipe
from models.training.tasks.contract import ON_CPU, Batch, Scores, Task, Validates, named_groups

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Stepped(NamedTuple):
    """The outcome of a step: this process's share of the loss, the task's numbers, and the images of all processes."""

    loss: Tensor
    numbers: dict[str, float | Tensor]
    rows: int


class _Parcel:
    """A batch on its way through wrappers that would change the type of its tensors if they saw them."""

    def __init__(self, batch: Batch, *, score: bool = False) -> None:
        self.batch, self.score = batch, score


class _Fitted(nn.Module):
    """A task as a module, so that what wraps modules (copies, shards, autocast) sees the whole step."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.trainable = task.trainable
        self._task = task

    def forward(self, parcel: _Parcel) -> Any:
        """Return the loss with its numbers, or the scores."""
        if parcel.score:
            assert isinstance(self._task, Validates)
            return self._task.validate(parcel.batch)
        return self._task.loss(parcel.batch)


class Stepper:
    """Module and optimiser on their devices.

    Arguments:
        task: What is fitted; its module is moved.
        recipe: How.
        fabric: Devices and processes, launched.
    """

    def __init__(self, task: Task, recipe: Recipe, fabric: Fabric) -> None:
        self._task, self._recipe, self._fabric = task, recipe, fabric
        module = task.trainable
        if recipe.channels_last:
            module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if recipe.compile:
            getattr(module, "network", module).compile()
        self._module: Any = fabric.setup_module(_Fitted(task))
        module.train()
        self._groups = named_groups(task)
        self.optimizer = make_optimizer(recipe, self._groups)
        self._stepping: Any = fabric.setup_optimizers(self.optimizer)
        self._trained = [p for members in self._groups.values() for p in members]
        self.size = sum(p.numel() for p in self._trained)
        self.sharded = any(isinstance(p, DTensor) for p in self._trained)

    def step(self, batch: Batch, step: int) -> Stepped:
        """Do an optimiser step.

        Arguments:
            batch: This process's rows.
            step: Steps done before.
        """
        fabric, recipe = self._fabric, self._recipe
        rows = _rows(batch)
        first, total = self._place(batch, step, rows)
        parts = list(_split(batch, rows, recipe.accumulate))
        losses: list[Tensor] = []
        numbers: dict[str, float | Tensor] = {}
        self._stepping.zero_grad(set_to_none=True)
        for number, (offset, size, part) in enumerate(parts):
            place = torch.tensor([first + offset, total])
            parcel = _Parcel(self._on_device({**part, "step": torch.tensor(step), "place": place}))
            with fabric.no_backward_sync(self._module, enabled=self._several and number < len(parts) - 1):
                loss, numbers = self._module(parcel)
                # Parts and processes may differ in size; with these weights their mean is that of the whole batch.
                weight = size * fabric.world_size / total
                loss = loss * weight if weight != 1 else loss
                fabric.backward(loss)
            losses.append(loss.detach())
        norm = self._clip()
        if norm is not None:
            numbers = {**numbers, "gradient_norm": norm}
        self._stepping.step()
        self._task.after_step()
        return Stepped(torch.stack(losses).sum() if len(losses) > 1 else losses[0], numbers, total)

    def score(self, batch: Batch) -> Scores:
        """Return the task's scores of a validation batch."""
        self._task.trainable.eval()
        try:
            # Copies need no wrapper, and theirs waits for the others; shards do, to be gathered.
            run = self._module if self.sharded else self._alone
            return run(_Parcel(self._on_device(batch), score=True))
        finally:
            self._task.trainable.train()

    def weights_are_numbers(self) -> bool:
        """Return whether all trained weights are finite."""
        sums = torch.stack([_local(p).detach().float().sum() for p in self._trained])
        bad = (~torch.isfinite(sums)).any().float()
        return float(self._fabric.all_reduce(bad, reduce_op="sum")) == 0  # pyright: ignore[reportArgumentType]

    def _alone(self, parcel: _Parcel) -> Scores:
        assert isinstance(self._task, Validates)
        with self._fabric.autocast():
            return self._task.validate(parcel.batch)

    @property
    def _several(self) -> bool:
        return self._fabric.world_size > 1

    def _clip(self) -> Tensor | None:
        """Limit the gradients and return their norm before, where it is the norm that is limited."""
        recipe = self._recipe
        if recipe.clip_value is not None:
            self._fabric.clip_gradients(self._module, self._stepping, clip_val=recipe.clip_value)
        if recipe.clip_norm is None:
            return None
        if self.sharded:
            return self._clip_shards(recipe.clip_norm)
        return whole(
            self._fabric.clip_gradients(
                self._module, self._stepping, max_norm=recipe.clip_norm, error_if_nonfinite=False
            )
        )

    def _clip_shards(self, limit: float) -> Tensor:
        """Limit the norm where some gradients are shared out over the processes and some are whole."""
        gradients = [p.grad for p in self._trained if p.grad is not None]
        squares = [_local(g).square().sum() for g in gradients if isinstance(g, DTensor)]
        total: Tensor = self._fabric.all_reduce(torch.stack(squares).sum(), reduce_op="sum")  # pyright: ignore[reportAssignmentType]
        total = total + sum(g.square().sum() for g in gradients if not isinstance(g, DTensor))
        norm = total.sqrt()
        for gradient in gradients:
            _local(gradient).mul_((limit / (norm + 1e-6)).clamp(max=1))
        return norm

    def _place(self, batch: Batch, step: int, rows: int) -> tuple[int, int]:
        if "place" in batch:
            return int(batch["place"][0]), int(batch["place"][1])
        world, rank = self._fabric.world_size, self._fabric.global_rank
        if world == 1:
            return 0, rows
        total = self._recipe.phase(step).batch_size
        if rows != (rank + 1) * total // world - rank * total // world:
            raise UserError(f"process {rank} of {world} got {rows} rows of a batch of {total}: that is not its share")
        return rank * total // world, total

    def _on_device(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        moved = {}
        for name, value in batch.items():
            if name in ON_CPU:
                moved[name] = value
                continue
            last = self._recipe.channels_last and value.ndim == 4
            form = torch.channels_last if last else torch.preserve_format
            moved[name] = value.to(self._fabric.device, non_blocking=True, memory_format=form)
        return moved


def _rows(batch: Batch) -> int:
    return next(len(value) for name, value in batch.items() if value.ndim and name not in ("place",))


def _split(batch: Batch, rows: int, count: int) -> Iterator[tuple[int, int, dict[str, Tensor]]]:
    """Yield first row, number of rows and tensors of each part of a batch; single numbers belong to all parts."""
    count = min(count, rows)
    for number in range(count):
        start, stop = number * rows // count, (number + 1) * rows // count
        part = {n: v[start:stop] if v.ndim and n != "place" else v for n, v in batch.items()}
        yield start, stop - start, part


def _local(parameter: Tensor) -> Tensor:
    return parameter.to_local() if isinstance(parameter, DTensor) else parameter
