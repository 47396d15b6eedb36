"""A scorer of one protocol, whose answers are not nested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmark.evaluation.scoring.image import Rounding
from benchmark.evaluation.scoring.scorer import MultiScorer
from benchmark.evaluation.scoring.sets import SetScore
from benchmark.metrics.protocols import Protocol


class Scorer:
    """A `MultiScorer` of one protocol, whose answers are not nested.

    Arguments and errors are those of `MultiScorer`.

    Attributes:
        metrics: Names of the metrics that are computed, in the catalogue's order.
        missing: For each other metric, the file that would fill it, where to get it and where to put it.
        weight_digests: SHA-256 of the weight file behind "lpips" and "fid", for the result's birth certificate.
    """

    def __init__(
        self,
        protocol: Protocol,
        *,
        device: str = "cpu",
        weights_folder: Path | None = None,
        lpips_weights: Path | Mapping[str, Path] | None = None,
        fid_weights: Path | None = None,
        feature_cache: Path | None = None,
    ) -> None:
        self.protocol = protocol
        self._all = MultiScorer(
            (protocol,),
            device=device,
            weights_folder=weights_folder,
            lpips_weights=lpips_weights,
            fid_weights=fid_weights,
            feature_cache=feature_cache,
        )
        self.metrics = self._all.metrics[protocol.name]
        self.missing = self._all.missing[protocol.name]
        self.weight_digests = {name.split("-")[0]: digest for name, digest in self._all.weight_digests.items()}

    def add(
        self, group: str, key: str, restored: np.ndarray, clean: np.ndarray, *, rounding: Rounding = "round"
    ) -> dict[str, float]:
        """Score one image and remember its features for the group's metrics, see `MultiScorer.add`."""
        return self._all.add(group, key, restored, clean, rounding=rounding)[self.protocol.name]

    def set_results(self, group: str) -> dict[str, SetScore]:
        """Return the metrics of a group with what belongs to them, see `MultiScorer.set_scores`."""
        return self._all.set_scores(group)[self.protocol.name]

    def set_scores(self, group: str) -> dict[str, float]:
        """Return the values of the metrics of a group, see `MultiScorer.set_scores`."""
        return {name: score.value for name, score in self.set_results(group).items()}
