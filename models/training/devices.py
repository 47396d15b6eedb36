"""Which devices train together, and how: one process or many, on one machine or several."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from models.errors import UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

STRATEGIES = ("auto", "ddp", "fsdp")


def make_fabric(
    *,
    device: str = "cpu",
    devices: int | None = None,
    num_nodes: int | None = None,
    strategy: str = "auto",
    precision: str = "fp32",
) -> Fabric:
    """Return what places tensors, starts processes and averages gradients.

    Under `torchrun` and SLURM's `srun` the processes exist already, and their number is taken from the environment.

    Arguments:
        device: "cpu", "cuda", "cuda:1" or "mps".
        devices: Processes on each node, one a device; what the launcher says, or 1, when None.
        num_nodes: Machines; what the launcher says, or 1, when None.
        strategy: "ddp" keeps a copy of the weights in each process; "fsdp" shares out weights, gradients, averages and
            the optimiser's state; "auto" is ddp for several processes.
        precision: "fp32", "bf16" or "fp16".

    Raises:
        UserError: The device is not there, or the numbers do not fit each other or the launcher's.
    """
    from lightning_fabric import Fabric

    kind, _, number = device.partition(":")
    _refuse_missing(kind)
    launched = launched_processes()
    if launched is not None:
        for option, given, found in (("--devices", devices, launched[0]), ("--num-nodes", num_nodes, launched[1])):
            if given not in (None, found):
                raise UserError(f"{option} {given} was given, but the launcher started {found}: leave {option} away")
        devices, num_nodes = launched
    devices, num_nodes = devices or 1, num_nodes or 1
    if number and devices * num_nodes > 1:
        raise UserError(f"{device} is one device, but {devices * num_nodes} processes are wanted: give {kind}")
    chosen: Any = "auto"
    if devices * num_nodes > 1 or strategy != "auto":
        chosen = _sharded(devices * num_nodes) if strategy == "fsdp" else _copied()
    if strategy == "fsdp" and precision == "fp16":
        raise UserError("fsdp knows no loss scale for fp16: give precision=bf16 or --strategy ddp")
    wanted: Any = [int(number)] if number else devices
    try:
        return Fabric(
            accelerator=kind,
            devices=wanted,
            num_nodes=num_nodes,
            strategy=chosen,
            plugins=[_precision(precision, kind)],
        )
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{devices} x {device} on {num_nodes} nodes cannot be had: {error}") from None


def launched_processes() -> tuple[int, int] | None:
    """Return processes a node and nodes of the launcher that started this process; None without one."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    if "TORCHELASTIC_RUN_ID" in os.environ:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local
    if SLURMEnvironment.detect():
        nodes = int(os.environ.get("SLURM_NNODES", "1"))
        return int(os.environ["SLURM_NTASKS"]) // nodes, nodes
    return None


def _refuse_missing(kind: str) -> None:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        known = ", ".join(name for name, present in there.items() if present)
        raise UserError(f"there is no device {kind!r} for training here: {known}")


def _precision(precision: str, kind: str) -> Any:
    from lightning_fabric.plugins.precision import MixedPrecision, Precision

    if precision == "fp32":
        return Precision()
    # Built here, as fabric would turn fp16 on a CPU into bf16 by itself.
    return MixedPrecision("bf16-mixed" if precision == "bf16" else "16-mixed", device=kind)


def _copied() -> Any:
    from lightning_fabric.strategies.ddp import DDPStrategy

    # Networks may leave parameters out of a step: the deepest level of a U-Net, one of two players.
    return DDPStrategy(find_unused_parameters=True)


def _average_gradient(parameter: Tensor) -> None:
    assert parameter.grad is not None
    dist.all_reduce(parameter.grad)
    parameter.grad /= dist.get_world_size()


def _sharded(world_size: int) -> Any:
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
    from torch.distributed.fsdp import fully_shard

    def shard(module: nn.Module, mesh: Any) -> nn.Module:
        # As one unit: tasks call methods of their parts, which would not gather units of their own.
        own = torch.device("cuda", torch.cuda.current_device()) if mesh.device_type == "cuda" else mesh.device_type
        module.to(own)
        scalars = {p for p in module.parameters() if p.ndim == 0}
        for scalar in scalars:
            # They cannot be cut, so each process has them whole, with the mean of all gradients.
            if scalar.requires_grad:
                scalar.register_post_accumulate_grad_hook(_average_gradient)
        fully_shard(module, mesh=mesh["data_parallel"], ignored_params=scalars)
        return module

    return ModelParallelStrategy(parallelize_fn=shard, data_parallel_size=world_size, tensor_parallel_size=1)
