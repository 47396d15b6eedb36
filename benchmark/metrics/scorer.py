"""Scores of restored images under one protocol: image by image, then once per group."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.metrics import METRICS
from benchmark.metrics.border import check_same_shape, crop_border
from benchmark.metrics.fid import Fid
from benchmark.metrics.inception import InceptionFeatures
from benchmark.metrics.lpips import BACKBONES, Lpips
from benchmark.metrics.luma import luma
from benchmark.metrics.psnr import psnr
from benchmark.metrics.ssim import ssim
from benchmark.metrics.weight_files import INCEPTION, MissingWeights, digest_of, find_weight_file
from benchmark.protocols import Protocol
from models.errors import UserError
from models.files import sha256_bytes
from models.images import to_float, to_uint8


class Scorer:
    """Computes every metric of a protocol for which the weights are at hand.

    Arguments:
        protocol: How the metrics are computed.
        device: Where the networks of LPIPS and FID run.
        weights_folder: A folder to search for their weights before the usual ones (see `weight_files`).
        lpips_weights: The backbone of LPIPS, instead of the published file; taken without a check of its digest.
        fid_weights: The network of FID, likewise.

    Attributes:
        metrics: Names of the metrics that are computed, in the catalogue's order.
        missing: For each other metric, the file that would fill it, where to get it and where to put it.
        weight_digests: SHA-256 of the weight file behind "lpips" and "fid", for the result's birth certificate.

    Raises:
        UserError: A weight file is damaged or does not fit; one that is merely absent goes to `missing`.
    """

    def __init__(
        self,
        protocol: Protocol,
        *,
        device: str = "cpu",
        weights_folder: Path | None = None,
        lpips_weights: Path | None = None,
        fid_weights: Path | None = None,
    ) -> None:
        self.protocol = protocol
        self.missing: dict[str, str] = {}
        self.weight_digests: dict[str, str] = {}
        self._lpips: Lpips | None = None
        self._features: InceptionFeatures | None = None
        self._clean_features: dict[str, np.ndarray] = {}
        self._keys: dict[str, set[str]] = {}
        self._fids: dict[str, Fid] = {}
        try:
            path = lpips_weights or find_weight_file(BACKBONES[protocol.lpips_net], folder=weights_folder)
            self._lpips = Lpips(path, net=protocol.lpips_net, device=device)
            self.weight_digests["lpips"] = digest_of(path)
        except MissingWeights as error:
            self.missing["lpips"] = str(error)
        try:
            path = fid_weights or find_weight_file(INCEPTION, folder=weights_folder)
            self._features = InceptionFeatures(path, device=device)
            self.weight_digests["fid"] = digest_of(path)
        except MissingWeights as error:
            self.missing["fid"] = str(error)
        self.metrics: tuple[str, ...] = tuple(name for name in METRICS if name not in self.missing)

    def add(self, group: str, key: str, restored: np.ndarray, clean: np.ndarray) -> dict[str, float]:
        """Score one image and remember its features for the group's set metrics.

        Arguments:
            group: Name of the test set or of a part of it.
            key: Name of the image, unique within the group.
            restored: RGB with shape `(H, W, 3)`; float nominally in [0, 1], not clamped, or uint8.
            clean: RGB of the same shape, uint8.

        Returns:
            The values of `psnr`, `ssim` and, when its weights are there, `lpips`. PSNR is infinite for equal images.

        Raises:
            UserError: An image is of another kind than stated, holds NaN, differs in size from the other, is too small
                for a metric, or was scored before; the message names the key.
        """
        if key in self._keys.get(group, ()):
            raise UserError(f"{group}/{key}: scored twice; every image of a group needs a name of its own")
        try:
            _check(restored, clean)
            scores = self._score(restored, clean)
        except UserError as error:
            raise UserError(f"{group}/{key}: {error}") from error
        if self._features is not None:
            self._fids.setdefault(group, Fid()).update(
                key, self._features(_eight_bits(restored)), self._features_of_clean(clean)
            )
        self._keys.setdefault(group, set()).add(key)
        return scores

    def set_scores(self, group: str) -> dict[str, float]:
        """Return the set metrics of a group: `{"fid": value}`, or an empty dict when FID's weights are missing.

        Raises:
            UserError: The group is unknown or has fewer than two images.
        """
        if group not in self._keys:
            raise UserError(f"nothing was scored in the group {group!r} (known: {', '.join(self._keys) or 'none'})")
        if self._features is None:
            return {}
        try:
            return {"fid": self._fids[group].compute()}
        except UserError as error:
            raise UserError(f"{group}: {error}") from error

    def _score(self, restored: np.ndarray, clean: np.ndarray) -> dict[str, float]:
        protocol = self.protocol
        compared = [crop_border(image, pixels=protocol.crop) for image in (_eight_bits(restored), clean)]
        if protocol.channels == "y":
            compared = [luma(image) for image in compared]
        scores = {"psnr": psnr(*compared), "ssim": ssim(*compared, window=protocol.ssim)}
        if self._lpips is not None:
            seen = restored if protocol.lpips_input == "float" else _eight_bits(restored)
            seen = to_float(seen) if seen.dtype == np.uint8 else seen
            scores["lpips"] = self._lpips(seen, to_float(clean), order=protocol.lpips_order)
        return scores

    def _features_of_clean(self, clean: np.ndarray) -> np.ndarray:
        """Return the features of a clean image, computed once however many methods and degradations share it."""
        assert self._features is not None
        digest = sha256_bytes(repr(clean.shape).encode() + clean.tobytes())
        if digest not in self._clean_features:
            self._clean_features[digest] = self._features(clean)
        return self._clean_features[digest]


def _eight_bits(image: np.ndarray) -> np.ndarray:
    return image if image.dtype == np.uint8 else to_uint8(image)


def _check(restored: np.ndarray, clean: np.ndarray) -> None:
    if clean.dtype != np.uint8 or clean.ndim != 3 or clean.shape[2] != 3:
        raise UserError(f"the clean image must be uint8 RGB (rows, columns, 3), not {clean.dtype} {clean.shape}")
    if restored.dtype != np.uint8 and not np.issubdtype(restored.dtype, np.floating):
        raise UserError(f"the restored image must be uint8 or float, not {restored.dtype}")
    check_same_shape(restored, clean)
    if restored.dtype != np.uint8 and not np.isfinite(restored).all():
        raise UserError("the restored image holds values that are not finite (NaN or infinity)")
