"""What `bench eval` does for each network or folder of images: skip what is done, evaluate, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.dataset.folder import Dataset
from benchmark.engine import Engine, cluster_address, default_workers
from benchmark.engine.progress import progress_bar
from benchmark.evaluation.collect import Evaluated
from benchmark.evaluation.jobs import EvaluationJob, identity_of, known_result, method_of
from benchmark.evaluation.network import evaluate_network
from benchmark.evaluation.pairs import image_file, keep_image
from benchmark.evaluation.setting import loaded_setting, planned_setting
from benchmark.evaluation.store import Store
from benchmark.metrics.protocols import Protocol
from benchmark.results.parts import Setting
from benchmark.results.provenance import birth_certificate
from benchmark.results.restoration import Result, write_result
from benchmark.results.strict import plain
from models.errors import UserError
from models.files import below
from models.inference.cpu import best_device
from models.inference.loading import load_restorer

if TYPE_CHECKING:
    from models.diffusion.settings import Sampling


def evaluate_jobs(
    dataset: Dataset,
    jobs: Sequence[EvaluationJob],
    protocols: Sequence[Protocol],
    *,
    leaderboards: Path,
    daclip: Path | None = None,
    save_images: Path | None = None,
    device: str | None = None,
    sampling: Sampling | None = None,
    engine: Engine = "local",
    address: str | None = None,
) -> list[Result]:
    """Evaluate networks on the test split of a dataset, each under every protocol, and write a result each.

    Arguments:
        dataset: With a test split.
        jobs: The networks.
        protocols: How the metrics are computed.
        leaderboards: Where results are written, and scored images of unfinished evaluations.
        daclip: DA-CLIP of the networks that listen to one and do not name theirs.
        save_images: Where restored images are written, or None.
        device: Where to run.
        sampling: How the diffusion networks among them are sampled; None for the published way. A result of another
            sampler or another number of network calls stands beside that of the published way, not in its place.
        engine: This process, or a Ray cluster.
        address: The cluster to join.

    Returns:
        The results, network by network.
    """
    results = []
    words = {row["key"]: row["degradation"] for row in dataset.index("test")}
    keys = list(words)
    test_set = (dataset.name, dataset.split("test")["digest"])
    for job in jobs:
        images = below(save_images, job.name, what="name of the network") if save_images else None
        # Before anything is restored: a key that leads out of the folder is refused.
        files = [image_file(images, key) for key in keys] if images is not None else []
        place = device or best_device()
        planned = planned_setting(job, daclip=daclip, device=place)
        known = {p.name: known_result(leaderboards, test_set, p, job, planned, words=words) for p in protocols}
        if not all(file.is_file() for file in files):
            known = dict.fromkeys(known)
        if pending := [p for p in protocols if known[p.name] is None]:
            sampled = sampling if job.way is not None else None
            here = place if engine == "local" else "cpu"  # the head of a cluster may have no GPU
            restorer = load_restorer(job.network, job.weights, daclip=daclip, device=here, sampling=sampled)
            setting = loaded_setting(job, planned, restorer)
            scorer = scorer_for(pending, device=here)
            store = Store(leaderboards / "results", identity_of(job, test_set[1], restorer, setting, words=words))
            work = None
            if engine == "ray":
                from benchmark.evaluation.cluster import cluster_work

                work = cluster_work(
                    job,
                    dataset,
                    pending,
                    metrics=dict(scorer.metrics),
                    daclip=daclip,
                    setting=setting,
                    device=place,
                    sampling=sampled,
                    address=cluster_address(engine, address),
                    images=images,
                )
            method = method_of(job, restorer)
            try:
                with progress_bar(f"eval {method.title}", len(keys)) as progress:
                    evaluated = evaluate_network(
                        restorer,
                        dataset,
                        pending,
                        method=method,
                        setting=setting,
                        scorer=scorer,
                        work=work,
                        store=store,
                        workers=default_workers(),
                        keep=lambda image, folder=images: keep_image(image, folder),
                        there=lambda key, folder=images: folder is None or image_file(folder, key).is_file(),
                        progress=progress,
                    )
            except BaseException:
                store.close()
                raise
            known |= write_all(leaderboards, evaluated)
            store.remove()
        results += [result for result in known.values() if result is not None]
    return results


def scorer_for(protocols: Sequence[Protocol], *, device: str = "cpu") -> Any:
    """Return what scores images under these protocols, with the features of clean images kept on disk."""
    from benchmark.evaluation.scoring.feature_cache import default_path
    from benchmark.evaluation.scoring.scorer import MultiScorer

    return MultiScorer(protocols, device=device, feature_cache=default_path())


def write_all(leaderboards: Path, evaluated: Sequence[Evaluated]) -> dict[str, Result]:
    """Write results with their rows and return them by protocol."""
    for one in evaluated:
        write_result(leaderboards, one.result, one.rows)
    return {one.result.protocol.id: one.result for one in evaluated}


def evaluate_submission(
    place: Path,
    protocols: Sequence[Protocol],
    *,
    method: str,
    clean: Path | None = None,
    dataset: Dataset | None = None,
    allow_missing: bool = False,
    leaderboards: Path,
    device: str | None = None,
) -> list[Evaluated]:
    """Score a folder or zip of restored images; against a dataset, results are written to the leaderboards.

    Arguments:
        place: The folder or zip.
        protocols: How the metrics are computed.
        method: What the images are attributed to.
        clean: Folder or zip of the clean images, or None.
        dataset: Instead, a dataset with a test split.
        allow_missing: Whether some images may be missing.
        leaderboards: Where results are written, and scored images of an unfinished evaluation.
        device: Where the networks of the metrics run.
    """
    from benchmark.evaluation.submission.score import (
        evaluate_restored,
        match_restored,
        references_of_dataset,
        references_of_pictures,
    )

    if dataset is not None:
        references = references_of_dataset(dataset)
    elif clean is not None:
        references = references_of_pictures(clean)
    else:
        raise UserError("--restored needs --clean DIR, or --data DATASET, and --protocol PROTOCOL")
    submission = match_restored(place, references, allow_missing=allow_missing)
    index = dataset.index("test") if dataset is not None else []
    identity = {
        "words": {row["key"]: row["degradation"] for row in index},
        "restored": submission.digest,
        "test_set": references.test_set.digest,
        "versions": birth_certificate()["versions"],
    }
    setting = Setting(device=(device or "cpu").partition(":")[0])
    scorer = scorer_for(protocols, device=device or "cpu")
    store = Store(leaderboards / "results", identity | {"setting": plain(setting)})
    try:
        with progress_bar(f"score {method}", len(submission.names)) as progress:
            evaluated = evaluate_restored(
                submission,
                references,
                protocols,
                method=method,
                setting=setting,
                scorer=scorer,
                store=store,
                workers=default_workers(),
                progress=progress,
            )
    except BaseException:
        store.close()
        raise
    if dataset is not None:
        write_all(leaderboards, evaluated)
    store.remove()
    return evaluated
