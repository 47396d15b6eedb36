"""What the metrics of several protocols have in common for one image, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import numpy as np

from benchmark.metrics import METRICS, MetricCard
from benchmark.metrics.border import check_same_shape, crop_border, crop_to_multiple
from benchmark.metrics.lpips import Lpips
from benchmark.metrics.luma import luma
from benchmark.metrics.protocols import Protocol
from models.errors import UserError
from models.images.pixels import to_float, to_uint8

Rounding = Literal["round", "truncate"]


class Image:
    """A restored image beside its clean one, in every form that a protocol may ask for.

    Arguments:
        restored: RGB with shape `(H, W, 3)`; float nominally in [0, 1], not clamped, or uint8.
        clean: RGB of the same shape, uint8.
        rounding: How the restored image becomes 8 bits when it is not.

    Raises:
        UserError: An image is of another kind than stated, holds NaN, or differs in size from the other.
    """

    def __init__(self, restored: np.ndarray, clean: np.ndarray, *, rounding: Rounding = "round") -> None:
        check(restored, clean)
        self.restored, self.clean, self.rounding = restored, clean, rounding
        self._done: dict[tuple[Any, ...], Any] = {}

    @cached_property
    def eight(self) -> np.ndarray:
        """The restored image as the 8-bit file that would be written."""
        return self.restored if self.restored.dtype == np.uint8 else to_uint8(self.restored, rounding=self.rounding)

    @cached_property
    def clean_float(self) -> np.ndarray:
        """The clean image in [0, 1]."""
        return to_float(self.clean)

    def restored_float(self, form: Literal["float", "8bit"]) -> np.ndarray:
        """Return the restored image as float: the output as it is, or the 8-bit file."""
        if form == "float" and self.restored.dtype != np.uint8:
            return self.restored
        return self._once(("8bit",), lambda: to_float(self.eight))

    def scores(self, protocol: Protocol, lpips: Mapping[tuple[str, str], Lpips]) -> dict[str, float]:
        """Return the per-image metrics of a protocol.

        Arguments:
            protocol: How they are computed.
            lpips: The metrics with a backbone by name and backbone; those that are absent are left out.
        """
        found: dict[str, float] = {}
        for name, card in METRICS.items():
            if name not in protocol.metrics:
                continue
            if card.needs == "pixels":
                found[name] = self._pixels(card, protocol)
            elif card.needs == "lpips" and (name, protocol.lpips_net) in lpips:
                found[name] = self._lpips(protocol, name, lpips[name, protocol.lpips_net])
        return found

    def _pixels(self, card: MetricCard, protocol: Protocol) -> float:
        cut = (protocol.channels, protocol.y_rounding, protocol.crop, protocol.crop_multiple, protocol.psnr_input)
        pair, data_range = self._once(("pair", *cut), lambda: self._compared(protocol))
        options = {keyword: getattr(protocol, field) for keyword, field in card.options.items()}

        def measure() -> float:
            return float(METRICS.load(card.name)(*pair, data_range=data_range, **options))

        return self._once((card.name, *cut, *options.values()), measure)

    def _compared(self, protocol: Protocol) -> tuple[tuple[np.ndarray, np.ndarray], float]:
        """Return what PSNR and SSIM see, and its range of values."""
        if protocol.psnr_input == "float":
            pair, data_range = (np.clip(self.restored_float("float"), 0.0, 1.0), self.clean_float), 1.0
        else:
            pair, data_range = (self.eight, self.clean), 255.0
        cut = [crop_to_multiple(crop_border(x, pixels=protocol.crop), of=protocol.crop_multiple) for x in pair]
        if protocol.channels == "y":
            cut = [luma(image, rounded=protocol.y_rounding) for image in cut]
            data_range = 255.0
        return (cut[0], cut[1]), data_range

    def _lpips(self, protocol: Protocol, name: str, metric: Lpips) -> float:
        net, order = protocol.lpips_net, protocol.lpips_order
        form = "8bit" if self.restored.dtype == np.uint8 else protocol.lpips_input

        def distance() -> float:
            clean = self._once(("clean", name, net, order), lambda: metric.features(self.clean_float, order=order))
            return metric.compare(metric.features(self.restored_float(form), order=order), clean)

        return self._once((name, net, order, form), distance)

    def _once(self, key: tuple[Any, ...], make: Any) -> Any:
        if key not in self._done:
            self._done[key] = make()
        return self._done[key]


def check(restored: np.ndarray, clean: np.ndarray) -> None:
    """Refuse images that cannot be scored.

    Raises:
        UserError: An image is of another kind than it must be, holds NaN, or differs in size from the other.
    """
    if clean.dtype != np.uint8 or clean.ndim != 3 or clean.shape[2] != 3:
        raise UserError(f"the clean image must be uint8 RGB (rows, columns, 3), not {clean.dtype} {clean.shape}")
    if restored.dtype != np.uint8 and not np.issubdtype(restored.dtype, np.floating):
        raise UserError(f"the restored image must be uint8 or float, not {restored.dtype}")
    check_same_shape(restored, clean)
    if restored.dtype != np.uint8 and not np.isfinite(restored).all():
        raise UserError("the restored image holds values that are not finite (NaN or infinity)")
