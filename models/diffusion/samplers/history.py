"""The memory of a two-step solver: the last prediction and when it was made."""

from __future__ import annotations

from torch import Tensor


class History:
    """Remembers one prediction and gives the line through it and the next one.

    Arguments:
        order: 1 to remember nothing, 2 for a line.
    """

    def __init__(self, *, order: int) -> None:
        self._order = order
        self._previous: tuple[Tensor, float] | None = None

    def slope(self, value: Tensor, half_log_snr: float) -> Tensor | None:
        """Return the change of the prediction for a unit of half log-SNR since the last step, and remember this one.

        Arguments:
            value: What is predicted now, with shape `(B, C, H, W)`.
            half_log_snr: When; it grows from step to step.

        Returns:
            The slope with the shape of `value`; None at order 1 and at the first step, which has nothing behind it.
        """
        if self._order == 1:
            return None
        slope = None
        if self._previous is not None:
            before, then = self._previous
            slope = (value - before) / (half_log_snr - then)
        self._previous = (value, half_log_snr)
        return slope
