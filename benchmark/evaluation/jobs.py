"""Which networks an evaluation is about, what their results are called, and which are there already."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__
from benchmark.evaluation.setting import same_setting
from benchmark.metrics.protocols import Protocol
from benchmark.results.files import result_path
from benchmark.results.parts import Method, Setting
from benchmark.results.provenance import versions
from benchmark.results.restoration import Result, read_result
from benchmark.results.strict import plain
from models.errors import UserError
from models.files import sha256_bytes, sha256_json
from models.inference.loading import network_of, process_of
from models.networks import NETWORKS
from models.networks.find import find_network, is_foreign
from models.weights.files import weights_digest, weights_file
from models.weights.metadata import read_metadata
from models.weights.opened import open_weights

if TYPE_CHECKING:
    from models.diffusion.settings import Sampling
    from models.inference.restorer import Restorer
    from models.networks import NetworkCard


@dataclass(frozen=True, kw_only=True)
class EvaluationJob:
    """One network to evaluate.

    Arguments:
        name: Of its results.
        network: Of the catalogue, or from outside.
        weights: Its weights file or run; None for one without.
        digest: SHA-256 of the weights, or None.
        way: What results say about how it is sampled; None for one that restores in one pass.
        seed: Of the noise.
    """

    name: str
    network: str
    weights: Path | None
    digest: str | None
    way: dict[str, Any] | None
    seed: int


def finished_runs(runs: Path, task: str) -> list[Path]:
    """Return the run folders below `runs` that have ended and are of the task, by name.

    Raises:
        UserError: The folder does not exist.
    """
    if not runs.is_dir():
        raise UserError(f"folder of runs not found: {runs}")
    folders = sorted(p for p in runs.iterdir() if (p / "manifest.json").is_file())
    return [folder for folder in folders if _task_of(folder) == task]


def _task_of(run: Path) -> str:
    """Return what a run was trained for; one that does not say it would be left out in silence."""
    task = open_weights(run).metadata.get("task")
    if task is None:
        raise UserError(f"{run / 'weights.safetensors'} does not say its task: it is damaged, or not of this run")
    return task


def find_jobs(
    *, runs: Path | None, networks: Sequence[str], weights: Sequence[Path], sampling: Sampling | None
) -> list[EvaluationJob]:
    """Return what to evaluate, in the order of the catalogue of networks.

    Arguments:
        runs: Folder of runs, or None.
        networks: Single networks; without them the degraded input is evaluated, and the runs.
        weights: The weights of each network in the same order; none at all where none needs any.
        sampling: How the diffusion networks among them are sampled; None for the published way.

    Raises:
        UserError: Weights do not go with the networks, or two networks would write the same result.
    """
    if weights and not networks:
        raise UserError("--weights needs --network NAME (see bench list networks)")
    if weights and len(weights) != len(networks):
        raise UserError(
            f"{len(networks)} --network and {len(weights)} --weights: give one of each for every network, in the same "
            "order (--weights none for a network without weights)"
        )
    found: list[tuple[str, str, Path | None]] = [] if networks else [("input", "input", None)]
    for network, where in zip(networks, weights or [None] * len(networks), strict=True):
        given = None if where is None or str(where) == "none" else where
        found.append((_method_name(network, given), network, given))
    for run in finished_runs(runs, "restoration") if runs else []:
        # What a run says is a name of the catalogue; code from outside is named on the command line alone.
        found.append((run.name, network_of(run), run))
    order = list(NETWORKS)
    found.sort(key=lambda job: (order.index(job[1]) if job[1] in order else len(order), job[0]))
    jobs = [_job(*one, sampling) for one in found]
    names = [job.name for job in jobs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"two of the networks would write the result {twice[0]!r}: rename one weights file or run")
    return jobs


def _job(name: str, network: str, where: Path | None, sampling: Sampling | None) -> EvaluationJob:
    way = _way(network, where, sampling)
    if way is not None and way != _way(network, where, None):
        name = f"{name}-{way['name']}-{way['prediction']}-nfe{way['nfe']}"
    digest = weights_digest(weights_file(where)) if where is not None else None
    seed = sampling.seed if way is not None and sampling is not None else 0
    return EvaluationJob(name=name, network=network, weights=where, digest=digest, way=way, seed=seed)


def _way(network: str, where: Path | None, sampling: Sampling | None) -> dict[str, Any] | None:
    """Return what a result will say about how the network was sampled; None for one that restores in one pass."""
    if where is None or not find_network(network).sampler:
        return None
    sde, filled = process_of(where, sampling)
    return filled.facts(sde)


def _method_name(network: str, weights: Path | None) -> str:
    # A network from outside is called package.module:factory, and no file may be called so everywhere.
    network = network.replace(":", ".")
    if weights is None:
        return network
    if weights.is_dir():
        return weights.resolve().name
    # Many files say already which network they are for.
    return weights.stem if weights.stem.startswith(f"{network}-") else f"{network}-{weights.stem}"


def known_result(
    leaderboards: Path,
    test_set: tuple[str, str],
    protocol: Protocol,
    job: EvaluationJob,
    setting: Setting,
    *,
    words: Mapping[str, str],
) -> Result | None:
    """Return a result that is already there for exactly this work and lacks nothing that could now be filled.

    Arguments:
        leaderboards: The leaderboards folder.
        test_set: Name and digest.
        protocol: How the metrics are computed.
        job: What would be evaluated. The code of a network from outside may have changed, so that it never counts.
        setting: What else the numbers depend on.
        words: The type of each image by key, over which the numbers are summed up.

    Raises:
        UserError: The result that is there is broken, was changed, or contradicts its rows.
    """
    from benchmark.evaluation.scoring.scorer import lacking

    path = result_path(leaderboards, test_set=test_set[0], method=job.name, kind=protocol.name)
    if not path.is_file() or is_foreign(job.network):
        return None
    beside: dict[str, str] = {}
    result = read_result(path, keep=lambda _, rows: beside.update({r["key"]: r["degradation"] for r in rows or ()}))
    same = (
        result.test_set.digest == test_set[1]
        and (result.protocol.id, result.protocol.version) == (protocol.name, protocol.version)
        and (result.method.weights_sha256, result.method.restored_digest) == (job.digest, None)
        and (result.method.network, result.sampler, result.seed) == (job.network, job.way, job.seed)
        and same_setting(result.setting, setting)
    )
    if not same or beside != words:
        return None
    # Only a result with empty cells costs a look at the weight files: one of them may have come since.
    whole = not result.missing or set(result.missing) <= lacking(protocol)
    return result if whole else None


def method_of(job: EvaluationJob, restorer: Restorer) -> Method:
    """Return how a result names its network."""
    card: NetworkCard = restorer.card
    note, title = None, card.title
    if job.weights is not None:
        metadata = read_metadata(weights_file(job.weights))
        preset = metadata.get("recipe", {}).get("preset")
        if preset:
            note = f"recipe {metadata['recipe']['name']}, preset {preset}, {metadata['step']} steps"
        if job.way is not None:
            sampled = f"sampler {job.way['name']}, {job.way['nfe']} network calls an image"
            note = sampled if note is None else f"{note}; {sampled}"
        if job.name != card.name:
            title = f"{card.title} ({job.name.removeprefix(f'{card.name}-')})"
    parameters = sum(p.numel() for p in restorer.network.parameters())
    return Method(job.name, title, card.name, parameters, job.digest, None, note)


def identity_of(
    job: EvaluationJob, test_set: str, restorer: Restorer, setting: Setting, *, words: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return all that scored images of an unfinished evaluation depend on, so that no other one goes on with them.

    Arguments:
        job: The network.
        test_set: Digest of the test set.
        restorer: The network, loaded.
        setting: What else the numbers depend on.
        words: The type of each image by key, where types are known.
    """
    return {
        "test_set": test_set,
        "words": None if words is None else sha256_json(words),
        "network": job.network,
        "weights": job.digest,
        "outside": state_digest(restorer) if is_foreign(job.network) else None,
        "sampler": job.way,
        "seed": job.seed,
        "setting": plain(setting),
        "machine": platform.machine(),
        "tool": __version__,
        "versions": versions(),
    }


def state_digest(restorer: Restorer) -> str:
    """Return a digest of all numbers in a network, whose code may have drawn them at random."""
    parts = [
        name.encode() + value.detach().cpu().contiguous().view(-1).numpy().tobytes()
        for name, value in sorted(restorer.network.state_dict().items())
        if value.numel()
    ]
    return sha256_bytes(b"".join(sha256_bytes(part).encode() for part in parts))
