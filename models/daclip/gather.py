"""The features of all processes together, so that every image is compared with every text of the global batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from models.daclip.controller import Features


def processes() -> int:
    """Return the number of processes that train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather(features: Features, labels: Tensor, *, with_gradient: bool = False) -> tuple[Features, Tensor]:
    """Collect features and labels of all processes, in the order of their ranks; without a process group, as they are.

    As published (`local_loss=False, gather_with_grad=False` of open_clip) each process computes the loss of the global
    batch, in which only its own rows carry gradient. Averaged over W processes, the controller's gradient is then 1/W
    of that of one process with the global batch, and the logit scale's is the same.

    Arguments:
        features: Of this process; each process has the same number of rows.
        labels: The degradations of this process's rows, with shape `(B,)`.
        with_gradient: Whether the rows of the others carry gradient back to them; the average over the processes is
            then exactly the gradient of the global batch.

    Returns:
        Features and labels with `W * B` rows.
    """
    if processes() == 1:
        return features, labels
    rows = [features.content, features.degradation, features.caption, features.degradation_text]
    widths = [part.shape[1] for part in rows]
    # One message in place of four.
    local = torch.cat(rows, dim=1)
    everything: Tensor = _Gather.apply(local) if with_gradient else _around(local)  # pyright: ignore[reportAssignmentType]
    content, degradation, caption, degradation_text = everything.split(widths, dim=1)
    together = Features(content, degradation, caption, degradation_text, features.logit_scale)
    return together, torch.cat(_collect(labels))


def _collect(local: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(local) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, local.contiguous())
    return parts


def _around(local: Tensor) -> Tensor:
    """Put the rows of the others, as constants, around those of this process."""
    parts = _collect(local.detach())
    parts[dist.get_rank()] = local
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    """Gathers; backwards, what all processes' losses say about this process's rows is summed."""

    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        ctx.rows = len(local)
        return torch.cat(_collect(local))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        start = dist.get_rank() * ctx.rows
        return total[start : start + ctx.rows]
