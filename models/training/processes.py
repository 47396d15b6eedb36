"""What the processes of a run do together: one writes, all hear of its mistakes, all stop at the same step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.tensor import DTensor, distribute_tensor

from models.errors import UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")


class Stopped(Exception):
    """A run was asked to stop and has saved where it is.

    Arguments:
        number: The signal that asked.
        step: Steps done and saved.
    """

    def __init__(self, number: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} after step {step}")
        self.number, self.step = number, step


def on_first(fabric: Fabric, function: Callable[[], T]) -> T:
    """Run a function in the first process and return its result in all; when it fails there, all fail."""
    if fabric.world_size == 1:
        return function()
    result: tuple[Any, str | None] = (None, None)
    if fabric.is_global_zero:
        try:
            result = (function(), None)
        except BaseException as error:
            # The others wait for an answer: they get one before this process ends.
            fabric.broadcast((None, f"the first process failed: {error}" if str(error) else repr(error)))
            raise
    value, mistake = fabric.broadcast(result)
    if mistake is not None:
        raise UserError(mistake)
    return value  # pyright: ignore[reportReturnType]


def from_all(value: T) -> list[T]:
    """Return the value of each process, in the order of their ranks."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def whole(value: Any) -> Any:
    """Return a value in which every tensor that is shared out over the processes is gathered, at any depth."""
    if isinstance(value, DTensor):
        return value.full_tensor().detach()
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: whole(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(whole(part) for part in value)
    return value


def alike(value: Tensor, pattern: Tensor) -> Tensor:
    """Return a whole tensor on the device of another, shared out as that is."""
    value = value.to(pattern.device)
    return distribute_tensor(value, pattern.device_mesh, pattern.placements) if isinstance(pattern, DTensor) else value


class StopFlag:
    """Whether a signal came; in several processes, whether one came to any of them, known to all at the same step."""

    def __init__(self) -> None:
        self.number = 0
        self._group: Any = None
        self._asked: Any = None
        if dist.is_initialized() and dist.get_world_size() > 1:
            # On the CPU, so that asking at each step makes no GPU wait.
            self._group = dist.new_group(backend="gloo")

    def agreed(self) -> int:
        """Return the signal that all processes have heard of, or 0; call it once a step, in all of them."""
        if self._group is None:
            return self.number
        heard = 0
        if self._asked is not None:
            work, told = self._asked
            work.wait()
            heard = int(told)
        told = torch.tensor(self.number)
        self._asked = (dist.all_reduce(told, op=dist.ReduceOp.MAX, group=self._group, async_op=True), told)
        return heard

    def finish(self) -> None:
        """Wait for the last question, so that no process leaves another without an answer."""
        if self._asked is not None:
            self._asked[0].wait()


@contextmanager
def stop_signals() -> Iterator[StopFlag]:
    """Turn SIGINT and SIGTERM into a flag while the block runs; a second signal has its usual effect."""
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def catch(number: int, frame: Any) -> None:
        flag.number = number
        for caught, old in before.items():
            signal.signal(caught, old)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, catch)
    try:
        yield flag
    finally:
        for number, old in before.items():
            signal.signal(number, old)
