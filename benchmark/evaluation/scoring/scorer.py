"""Scores of restored images under one protocol or several at once: image by image, then once per group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.downloads.find import INCEPTION, MissingWeights, digest_of, find_weight_file
from benchmark.evaluation.scoring.feature_cache import FeatureCache, image_digest
from benchmark.evaluation.scoring.image import Image, Rounding
from benchmark.evaluation.scoring.sets import FeatureSets, SetScore
from benchmark.metrics import METRICS
from benchmark.metrics.inception import FEATURES, InceptionFeatures
from benchmark.metrics.lpips import BACKBONES, Lpips, Net
from benchmark.metrics.packed import packs
from benchmark.metrics.protocols import Protocol
from models.errors import UserError

__all__ = ["Measurement", "MultiScorer", "SetScore"]


def needing(protocol: Protocol, kind: str) -> tuple[str, ...]:
    """Return the metrics of a protocol that need something of a kind, in the catalogue's order.

    Raises:
        UserError: The protocol names a metric that the catalogue does not have.
    """
    cards = {name: METRICS[name] for name in protocol.metrics}
    return tuple(name for name in METRICS if name in cards and cards[name].needs == kind)


def lacking(protocol: Protocol) -> set[str]:
    """Return the metrics of a protocol whose weights are not on this machine; no network is loaded to learn it."""
    found: set[str] = set()
    for kind, file in (("lpips", BACKBONES[protocol.lpips_net]), ("inception", INCEPTION)):
        names = needing(protocol, kind)
        try:
            if names:
                find_weight_file(file)
        except MissingWeights:
            found.update(names)
    return found


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured of one image.

    Arguments:
        scores: The per-image metrics by protocol.
        features: What Inception sees in the restored 8-bit image, shape `(2048,)`, float32; None without FID or KID.
        clean_features: What it sees in the clean image.
    """

    scores: Mapping[str, Mapping[str, float]]
    features: np.ndarray | None
    clean_features: np.ndarray | None


class MultiScorer:
    """Computes every metric of several protocols for which the weights are at hand, sharing what they have in common.

    An image passes through Inception once, and through a backbone of LPIPS once for each order of channels and form in
    which a protocol shows it. Images always go one by one, so a number depends on nothing but its image.

    Arguments:
        protocols: How the metrics are computed.
        device: Where the networks of LPIPS and FID run.
        weights_folder: A folder to search for their weights before the usual ones (see `weight_files`).
        lpips_weights: The backbone of LPIPS by net, instead of the published file, taken without a check of its digest;
            a single path stands for the only net that the protocols use.
        fid_weights: The network of FID and KID, likewise.
        feature_cache: A file that keeps the features of clean images for later runs; None keeps them for this one.

    Attributes:
        protocols: As given.
        metrics: For each protocol, the metrics that are computed, in the catalogue's order.
        missing: For each protocol and other metric of it, the file that would fill it, and how to get it.
        weight_digests: SHA-256 of the weight file behind "fid" and, for each net, "lpips-NET".

    Raises:
        UserError: A weight file is damaged or does not fit; one that is merely absent goes to `missing`.
    """

    def __init__(
        self,
        protocols: Sequence[Protocol],
        *,
        device: str = "cpu",
        weights_folder: Path | None = None,
        lpips_weights: Path | Mapping[str, Path] | None = None,
        fid_weights: Path | None = None,
        feature_cache: Path | None = None,
    ) -> None:
        self.protocols = tuple(protocols)
        if not self.protocols:
            raise ValueError("a scorer without a protocol")
        self.weight_digests: dict[str, str] = {}
        self._lpips: dict[tuple[str, str], Lpips] = {}
        self._features: InceptionFeatures | None = None
        self._cache: FeatureCache | None = None
        self._clean_features: dict[str, np.ndarray] = {}
        self._sets = FeatureSets()
        absent: dict[str, str] = {}
        nets: dict[Net, set[str]] = {}
        for protocol in self.protocols:
            if names := needing(protocol, "lpips"):
                nets.setdefault(protocol.lpips_net, set()).update(names)
        if isinstance(lpips_weights, Path) and len(nets) > 1:
            raise ValueError(f"one file of weights for LPIPS cannot be that of {', '.join(nets)}")
        for net, names in nets.items():
            given = lpips_weights if isinstance(lpips_weights, Path) else (lpips_weights or {}).get(net)
            try:
                path = given or find_weight_file(BACKBONES[net], folder=weights_folder)
            except MissingWeights as error:
                absent[f"lpips-{net}"] = str(error)
                continue
            for name in sorted(names):
                self._lpips[name, net] = METRICS.load(name)(path, net=net, device=device)
            self.weight_digests[f"lpips-{net}"] = digest_of(path)
        if any(needing(protocol, "inception") for protocol in self.protocols):
            try:
                path = fid_weights or find_weight_file(INCEPTION, folder=weights_folder)
                self._features = InceptionFeatures(path, device=device)
                self.weight_digests["fid"] = digest_of(path)
                if feature_cache is not None:
                    self._cache = FeatureCache(feature_cache, recipe=self._recipe(device))
            except MissingWeights as error:
                absent["fid"] = str(error)
        self.metrics: dict[str, tuple[str, ...]] = {}
        self.missing: dict[str, dict[str, str]] = {}
        for protocol in self.protocols:
            behind = dict.fromkeys(needing(protocol, "lpips"), f"lpips-{protocol.lpips_net}")
            behind |= dict.fromkeys(needing(protocol, "inception"), "fid")
            lacks = {n: absent[behind[n]] for n in METRICS if behind.get(n) in absent}
            self.missing[protocol.name] = lacks
            self.metrics[protocol.name] = tuple(n for n in METRICS if n in protocol.metrics and n not in lacks)

    def _recipe(self, device: str) -> str:
        """Return what decides the bits of the features besides the image."""
        import torch

        form = "pytorch-fid, packed" if packs(device) else "pytorch-fid"
        return f"{form}/{self.weight_digests['fid']}/{torch.device(device).type}/torch {torch.__version__}"

    def measure(
        self, restored: np.ndarray, clean: np.ndarray, *, rounding: Rounding = "round", name: str = ""
    ) -> Measurement:
        """Measure one image; this may be done in several threads at once, and nothing is remembered of it.

        Arguments:
            restored: RGB with shape `(H, W, 3)`; float nominally in [0, 1], not clamped, or uint8.
            clean: RGB of the same shape, uint8.
            rounding: How the network's official writer turns outputs into 8 bits (its card says so).
            name: What the image is called in an error.

        Raises:
            UserError: An image is of another kind than stated, holds NaN, differs in size from the other, or is too
                small for a metric.
        """
        try:
            image = Image(restored, clean, rounding=rounding)
            scores = {protocol.name: image.scores(protocol, self._lpips) for protocol in self.protocols}
        except UserError as error:
            if not name:
                raise
            raise UserError(f"{name}: {error}") from error
        if self._features is None:
            return Measurement(scores=scores, features=None, clean_features=None)
        clean_features = self._features_of_clean(clean)
        # A method that gives back the clean image itself has its features.
        same = np.array_equal(image.eight, clean)
        features = clean_features if same else self._features(image.eight)
        return Measurement(scores=scores, features=features, clean_features=clean_features)

    def keep(self, group: str, key: str, measurement: Measurement) -> None:
        """Remember an image for the metrics of its group.

        Arguments:
            group: Name of the test set or of a part of it.
            key: Name of the image, unique within the group.
            measurement: What `measure` returned, in this run or an earlier one.

        Raises:
            UserError: The group has an image of this name already.
        """
        self._sets.add(group, key, measurement.features, measurement.clean_features)

    def add(
        self, group: str, key: str, restored: np.ndarray, clean: np.ndarray, *, rounding: Rounding = "round"
    ) -> dict[str, dict[str, float]]:
        """Measure one image, remember it for its group, and return its scores by protocol.

        Raises:
            UserError: As `measure` and `keep` do; the message names the group and the key.
        """
        self._sets.refuse_twice(group, key)
        measured = self.measure(restored, clean, rounding=rounding, name=f"{group}/{key}")
        self.keep(group, key, measured)
        return {name: dict(scores) for name, scores in measured.scores.items()}

    def set_scores(self, group: str) -> dict[str, dict[str, SetScore]]:
        """Return, by protocol, the metrics of a group of images; those whose weights are missing are left out.

        Raises:
            UserError: The group is unknown or has fewer than two images.
        """
        return self._by_protocol(self._sets.scores(group, self._wanted()))

    def pooled_scores(self) -> dict[str, dict[str, SetScore]]:
        """Return, by protocol, the metrics of the images of all groups taken together.

        Raises:
            UserError: There are fewer than two images.
        """
        return self._by_protocol(self._sets.pooled(self._wanted()))

    def _wanted(self) -> tuple[str, ...]:
        sets = (name for name, card in METRICS.items() if card.kind == "set")
        return tuple(name for name in sets if any(name in metrics for metrics in self.metrics.values()))

    def _by_protocol(self, found: dict[str, SetScore]) -> dict[str, dict[str, SetScore]]:
        return {name: {n: found[n] for n in metrics if n in found} for name, metrics in self.metrics.items()}

    def _features_of_clean(self, clean: np.ndarray) -> np.ndarray:
        """Return the features of a clean image, computed once however many methods and degradations share it."""
        assert self._features is not None
        digest = image_digest(clean)
        if digest not in self._clean_features:
            found = self._cache.get(digest) if self._cache else None
            if found is None or found.shape != (FEATURES,) or not np.isfinite(found).all():
                found = self._features(clean)
                if self._cache:
                    self._cache.put(digest, found)
            self._clean_features[digest] = found
        return self._clean_features[digest]
