"""The degraded image itself, as a network without weights."""

from __future__ import annotations

from torch import Tensor, nn


class Input(nn.Module):
    """Returns what it is given: the row of a table that says what doing nothing scores."""

    multiple_of = 1

    def forward(self, degraded: Tensor) -> Tensor:
        """Return `degraded`, with shape `(B, 3, H, W)`."""
        return degraded
