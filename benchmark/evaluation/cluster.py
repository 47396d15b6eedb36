"""Restoring and scoring on a Ray cluster, image by image as in one process, so that the numbers are the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.dataset.folder import Dataset, Pair, check_images
from benchmark.evaluation.collect import Work
from benchmark.evaluation.pairs import Restored, keep_image, restore_pair
from benchmark.evaluation.scoring.threads import score_images
from benchmark.evaluation.store import Scored
from benchmark.metrics.protocols import Protocol
from benchmark.results.parts import Setting
from models.errors import UserError
from models.files import below
from models.images.pixels import decode

if TYPE_CHECKING:
    from benchmark.evaluation.jobs import EvaluationJob
    from models.diffusion.settings import Sampling


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Images that one actor takes at a time: some rows of one row group of a dataset's file."""

    file: str
    group: int
    keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What an actor is built from; the paths are the same on every node.

    Arguments:
        network: Of the catalogue, or from outside.
        weights: Its weights, or None.
        digest: SHA-256 that the weights must have there too.
        daclip: DA-CLIP, where the weights name none.
        daclip_digest: SHA-256 that the DA-CLIP must have there too.
        device: Where it runs.
        sampling: How it is sampled, or None.
        data: The dataset folder.
        test_set: Digest that its test split must have there too.
        protocols: How the metrics are computed.
        metrics: Names of the metrics that the program can compute under each, which an actor must be able to, too.
        images: Where restored images are written, or None.
        threads: Of torch, as in the program itself: sums of many numbers depend on it in their last bits.
    """

    network: str
    weights: Path | None
    digest: str | None
    daclip: Path | None
    daclip_digest: str | None
    device: str
    sampling: Sampling | None
    data: Path
    test_set: str
    protocols: tuple[Protocol, ...]
    metrics: dict[str, tuple[str, ...]]
    images: Path | None
    threads: int


def units_of(dataset: Dataset, done: Collection[str], *, size: int = 4) -> list[Unit]:
    """Return the units that hold all images but those done, in order."""
    import pyarrow.parquet as pq

    units = []
    for shard in dataset.shards("test"):
        file = pq.ParquetFile(dataset.checked(shard))
        for group in range(file.num_row_groups):
            keys = [k for k in file.read_row_group(group, columns=["key"])["key"].to_pylist() if k not in done]
            for start in range(0, len(keys), size):
                units.append(Unit(file=shard.name, group=group, keys=tuple(keys[start : start + size])))
    return units


def cluster_work(
    job: EvaluationJob,
    dataset: Dataset,
    protocols: Sequence[Protocol],
    *,
    metrics: dict[str, tuple[str, ...]],
    daclip: Path | None,
    setting: Setting,
    device: str,
    sampling: Sampling | None,
    address: str | None,
    images: Path | None,
) -> Work:
    """Return what restores and scores on a cluster, for `benchmark.evaluation.collect.score_all`.

    Arguments:
        job: The network.
        dataset: With a test split; its folder and the weights have the same paths on every node.
        protocols: How the metrics are computed.
        metrics: What the program can compute under each.
        daclip: DA-CLIP of the network, or None.
        setting: What else the numbers depend on, as the program itself loaded it.
        device: Where actors run; with "cuda" each holds one GPU.
        sampling: How the network is sampled, or None.
        address: The cluster; None for one on this machine.
        images: Where restored images are written, or None.
    """
    import torch

    setup = Setup(
        network=job.network,
        weights=None if job.weights is None else job.weights.resolve(),
        digest=job.digest,
        daclip=None if daclip is None else daclip.resolve(),
        daclip_digest=setting.daclip_sha256,
        device=device,
        sampling=sampling,
        data=dataset.folder.resolve(),
        test_set=dataset.split("test")["digest"],
        protocols=tuple(protocols),
        metrics=metrics,
        images=None if images is None else images.resolve(),
        threads=torch.get_num_threads(),
    )

    def work(done: Collection[str]) -> Iterator[Scored]:
        from benchmark.engine.cluster import actors_on_cluster

        gpus = 1 if device.startswith("cuda") else 0
        units = units_of(dataset, done)
        for scored in actors_on_cluster(partial(unit_scorer, setup), units, address=address, gpus=gpus):
            yield from scored

    return work


def unit_scorer(setup: Setup) -> Callable[[Unit], list[Scored]]:
    """Load network and metrics on a node, once, and return what restores and scores a unit there.

    Raises:
        UserError: The node lacks the data or a weight file, or has another one under the same path.
    """
    import torch

    from benchmark.evaluation.scoring.scorer import MultiScorer
    from models.inference.loading import load_restorer

    torch.set_num_threads(setup.threads)
    torch.set_flush_denormal(True)  # as the command does, see `models.inference.cpu.tune_cpu`
    dataset = Dataset(setup.data)
    if dataset.split("test")["digest"] != setup.test_set:
        raise UserError(f"{setup.data} is another dataset on one of the nodes: give all nodes the same")
    restorer = load_restorer(
        setup.network, setup.weights, daclip=setup.daclip, device=setup.device, sampling=setup.sampling
    )
    if restorer.weights_sha256 != setup.digest:
        raise UserError(f"{setup.weights} is another file on one of the nodes: give all nodes the same weights")
    if restorer.daclip_sha256 != setup.daclip_digest:
        raise UserError(f"the DA-CLIP of {setup.weights} is another file on one of the nodes: give all nodes the same")
    scorer = MultiScorer(setup.protocols, device=setup.device)
    if dict(scorer.metrics) != setup.metrics:
        raise UserError(
            "a node of the cluster can compute other metrics than this machine: put the same weight files of the "
            "metrics on every node (bench weights get)"
        )

    def score(unit: Unit) -> list[Scored]:
        def images() -> Iterator[Restored]:
            for pair in read_unit(dataset, unit):
                image = restore_pair(restorer, pair)
                keep_image(image, setup.images)
                yield image

        return list(score_images(scorer, images()))

    return score


def read_unit(dataset: Dataset, unit: Unit) -> Iterator[Pair]:
    """Yield the decoded pairs of a unit in order."""
    import pyarrow.parquet as pq

    shard = dataset.checked(below(dataset.folder / "data", unit.file, what="name of a shard"))
    columns = ["key", "degradation", "degraded", "clean", "degraded_sha256", "clean_sha256"]
    for row in pq.ParquetFile(shard).read_row_group(unit.group, columns=columns).to_pylist():
        if row["key"] in unit.keys:
            check_images(row)
            yield Pair(row["key"], row["degradation"], decode(row["degraded"]["bytes"]), decode(row["clean"]["bytes"]))
