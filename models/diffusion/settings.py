"""How a diffusion network is sampled: which sampler, how many network calls, which noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from models.diffusion.samplers import SAMPLERS
from models.diffusion.sde import MeanRevertingSDE
from models.errors import UserError

DEFAULT_SAMPLER = "posterior"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The choices that are made when an image is restored, none of which the weights depend on.

    The default is what the authors' test script does: posterior sampling over all steps of the process.

    Arguments:
        sampler: A name of the catalogue of samplers; None for what belongs to the weights, else posterior sampling.
        nfe: Network calls an image; None for the sampler's default, at most as many as the process has steps.
        seed: Of the noise; together with an image's key it determines the noise of that image.
        prediction: What samplers that offer both hold constant or extrapolate over a step: the clean image ("data") or
            the noise ("noise"); None for the sampler's default.

    Raises:
        UserError: The sampler is unknown or has no such prediction, or the number of calls is not above zero.
    """

    sampler: str | None = None
    nfe: int | None = None
    seed: int = 0
    prediction: Literal["data", "noise"] | None = None

    def __post_init__(self) -> None:
        if self.sampler is not None:
            offered = SAMPLERS[self.sampler].predictions
            if self.prediction not in (None, *offered):
                raise UserError(
                    f"sampler {self.sampler!r} has no prediction {self.prediction!r}: it has {' and '.join(offered)}"
                )
        if self.nfe is not None and self.nfe < 1:
            raise UserError(f"the number of network calls must be at least 1, got {self.nfe}")

    @property
    def name(self) -> str:
        """The sampler's name."""
        return self.sampler or DEFAULT_SAMPLER

    def filled(self, *, sampler: str | None) -> Sampling:
        """Return this with the sampler that belongs to the weights, when none was chosen."""
        return self if self.sampler is not None else replace(self, sampler=sampler)

    def calls(self, sde: MeanRevertingSDE) -> int:
        """Return the number of network calls an image."""
        return self.nfe if self.nfe is not None else min(SAMPLERS[self.name].default_nfe, sde.last)

    def facts(self, sde: MeanRevertingSDE) -> dict[str, Any]:
        """Return what a result records: sampler, calls, prediction and process; the seed has its own field."""
        return {
            "name": self.name,
            "nfe": self.calls(sde),
            "prediction": self.prediction or SAMPLERS[self.name].predictions[0],
            "sde": sde.settings(),
        }
