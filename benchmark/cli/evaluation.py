"""What `bench eval --data` does for each run: find it, skip what is done, evaluate, write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.classification_results import ClassificationResult, write_classification
from benchmark.classify import answers_for, confusion_matrix
from benchmark.cli.train import best_device
from benchmark.dataset import Dataset
from benchmark.evaluate import Restored, evaluate_network
from benchmark.progress import progress_bar
from benchmark.protocols import Protocol
from benchmark.provenance import birth_certificate
from benchmark.results import Result, result_path, write_result
from benchmark.scores import Method, TestSet
from models.errors import UserError
from models.files import read_json, sha256_file, write_bytes
from models.images import encode_png, to_uint8
from models.loading import load_restorer, process_of
from models.networks import NETWORKS
from models.weights import read_metadata, weights_file

if TYPE_CHECKING:
    from models.networks import NetworkCard
    from models.sampling import Sampling


def finished_runs(runs: Path, task: str) -> list[Path]:
    """Return the run folders below `runs` that have ended and are of the task, by name.

    Raises:
        UserError: The folder does not exist.
    """
    if not runs.is_dir():
        raise UserError(f"folder of runs not found: {runs}")
    folders = sorted(p for p in runs.iterdir() if (p / "manifest.json").is_file())
    return [p for p in folders if read_metadata(p / "weights.safetensors").get("task") == task]


def evaluate_all(
    dataset: Dataset,
    *,
    runs: Path | None,
    network: str | None,
    weights: Path | None,
    daclip: Path | None,
    protocol: Protocol,
    leaderboards: Path,
    save_images: Path | None,
    device: str | None,
    sampling: Sampling | None = None,
) -> list[Result]:
    """Evaluate the degraded input and every run, or one network, and write a result each.

    Arguments:
        dataset: With a test split.
        runs: Folder of runs, or None.
        network: One network instead of runs.
        weights: Its weights.
        daclip: Its DA-CLIP.
        protocol: How the metrics are computed.
        leaderboards: Where results are written.
        save_images: Where restored images are written, or None.
        device: Where to run.
        sampling: How the diffusion networks among them are sampled; None for the published way. A result of another
            sampler or another number of network calls stands beside that of the published way, not in its place.

    Returns:
        The results in the order of the catalogue of networks.
    """
    jobs: list[tuple[str, str, Path | None]] = []
    if network is not None:
        jobs.append((network if weights is None else _method_name(network, weights), network, weights))
    else:
        if weights is not None:
            raise UserError("--weights needs --network NAME (see bench list networks)")
        jobs.append(("input", "input", None))
        for run in finished_runs(runs, "restoration") if runs else []:
            jobs.append((run.name, read_metadata(run / "weights.safetensors")["network"], run))
    order = list(NETWORKS)
    jobs.sort(key=lambda job: (order.index(job[1]) if job[1] in order else len(order), job[0]))
    results = []
    for name, net, where in jobs:
        digest = sha256_file(weights_file(where)) if where is not None else None
        way = _way(net, where, sampling)
        if way is not None and way != _way(net, where, None):
            name = f"{name}-{way['name']}-{way['prediction']}-nfe{way['nfe']}"
        seed = sampling.seed if way is not None and sampling is not None else 0
        path = result_path(leaderboards, test_set=dataset.name, method=name, kind=protocol.name)
        images = save_images / name if save_images else None
        known = _known(path, dataset, protocol, digest, way, seed)
        if known is not None and (images is None or images.is_dir()):
            results.append(known)
            continue
        restorer = load_restorer(
            net, where, daclip=daclip, device=device or best_device(), sampling=sampling if way is not None else None
        )
        parameters = sum(p.numel() for p in restorer.network.parameters())
        method = _method(name, NETWORKS[net], where, digest, parameters, way)
        with progress_bar(f"eval {method.title}", dataset.split("test")["rows"]) as progress:
            result, rows = evaluate_network(
                restorer,
                dataset,
                protocol,
                method=method,
                keep=lambda image, folder=images: _keep(image, folder),
                progress=progress,
            )
        write_result(leaderboards, result, rows)
        results.append(result)
    return results


def _way(network: str, where: Path | None, sampling: Sampling | None) -> dict[str, Any] | None:
    """Return what a result will say about how the network was sampled; None for one that restores in one pass."""
    if where is None or not NETWORKS[network].sampler:
        return None
    sde, filled = process_of(where, sampling)
    return filled.facts(sde)


def _known(
    path: Path,
    dataset: Dataset,
    protocol: Protocol,
    weights_sha256: str | None,
    way: dict[str, Any] | None,
    seed: int,
) -> Result | None:
    """Return a result that is already there for exactly this work and lacks nothing that could now be filled."""
    from benchmark.metrics.scorer import Scorer

    if not path.is_file() or not path.with_suffix(".parquet").is_file():
        return None
    result = Result.from_json(read_json(path, "result"), where=path)
    same = (
        result.test_set.digest == dataset.split("test")["digest"]
        and (result.protocol.id, result.protocol.version) == (protocol.name, protocol.version)
        and result.method.weights_sha256 == weights_sha256
        and (result.sampler, result.seed) == (way, seed)
    )
    # Only a result with empty cells costs a look at the weight files: one of them may have come since.
    whole = not result.missing or set(result.missing) <= set(Scorer(protocol).missing)
    return result if same and whole else None


def _method(
    name: str, card: NetworkCard, where: Path | None, digest: str | None, parameters: int, way: dict[str, Any] | None
) -> Method:
    note = None
    title = card.title
    if where is not None:
        metadata = read_metadata(weights_file(where))
        preset = metadata.get("recipe", {}).get("preset")
        if preset:
            note = f"recipe {metadata['recipe']['name']}, preset {preset}, {metadata['step']} steps"
        if way is not None:
            sampled = f"sampler {way['name']}, {way['nfe']} network calls an image"
            note = sampled if note is None else f"{note}; {sampled}"
        if name != card.name:
            title = f"{card.title} ({name})"
    return Method(name, title, card.name, parameters, digest, None, note)


def _method_name(network: str, weights: Path) -> str:
    folder = weights if weights.is_dir() else None
    return folder.resolve().name if folder else f"{network}-{weights.stem}"


def _keep(image: Restored, folder: Path | None) -> None:
    if folder is None:
        return
    pixels = image.restored if image.restored.dtype.name == "uint8" else to_uint8(image.restored)
    write_bytes(folder / f"{image.key}.png", encode_png(pixels))


def classify_all(
    *, data: Path, runs: Path | None, weights: Path | None, leaderboards: Path, device: str | None
) -> list[ClassificationResult]:
    """Classify the test images with every DA-CLIP and with the frozen CLIP inside it, and write a result each."""
    from models.daclip.build import load_daclip

    dataset = Dataset(data)
    found = [weights] if weights else finished_runs(runs, "daclip") if runs else []
    if not found:
        raise UserError("no DA-CLIP to classify with: give --runs DIR with a finished daclip run, or --weights FILE")
    facts = dataset.split("test")
    words = tuple(dataset.degradations("test"))
    test_set = TestSet(dataset.name, dataset.name, facts["digest"], facts["rows"], words)
    results = []
    for where in found:
        daclip = load_daclip(where)
        digest = sha256_file(weights_file(where))
        metadata: dict[str, Any] = read_metadata(weights_file(where))
        start = metadata.get("recipe", {}).get("arch", {}).get("pretrained", "published")
        clip = "CLIP (frozen, random weights)" if start is None else "CLIP (frozen)"
        name = where.resolve().name if where.is_dir() else where.stem
        for suffix, title, plain in (("clip", clip, True), ("daclip", "DA-CLIP", False)):
            with progress_bar(f"classify {title}", facts["rows"]) as progress:
                counts = confusion_matrix(
                    daclip, dataset, plain=plain, device=device or best_device(), progress=progress
                )
            method = Method(
                name if suffix == "daclip" else f"{name}-{suffix}", title, "daclip", None, digest, None, None
            )
            result = ClassificationResult.from_confusion(
                counts,
                types=answers_for(dataset),
                method=method,
                test_set=test_set,
                seed=None,
                birth=birth_certificate(),
            )
            write_classification(leaderboards, result)
            results.append(result)
    return results
