"""What `bench robustness` does for each network: skip what is done, measure, write."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__
from benchmark.cli.train import best_device
from benchmark.evaluation.jobs import Job, method_of, state_digest
from benchmark.evaluation.store import Store
from benchmark.metrics.scorer import MultiScorer
from benchmark.progress import progress_bar
from benchmark.protocols import Protocol
from benchmark.provenance import versions
from benchmark.robustness import CleanImages, evaluate_robustness, per_image_part
from benchmark.robustness_cases import Case
from benchmark.robustness_results import FOLDER, RobustnessResult, robustness_path, write_robustness
from models.files import read_json
from models.loading import load_restorer
from models.networks.find import is_foreign
from models.weights import weights_digest, weights_file

if TYPE_CHECKING:
    from models.restorer import Restorer
    from models.sampling import Sampling


def measure_jobs(
    jobs: Sequence[Job],
    clean: CleanImages,
    cases: Sequence[Case],
    protocol: Protocol,
    *,
    leaderboards: Path,
    daclip: Path | None = None,
    device: str | None = None,
    sampling: Sampling | None = None,
    degradation_seed: int = 0,
) -> list[RobustnessResult]:
    """Measure networks under the same degradations and write a result each; one that is there already is kept.

    Arguments:
        jobs: The networks.
        clean: The clean images.
        cases: Under what.
        protocol: How the metrics are computed.
        leaderboards: Where results are written, and scored images of unfinished runs.
        daclip: DA-CLIP of the networks that listen to one and do not name theirs.
        device: Where to run.
        sampling: How the diffusion networks among them are sampled; None for the published way.
        degradation_seed: Of the degradations.
    """
    place = device or best_device()
    results = []
    for job in jobs:
        scorer = MultiScorer([per_image_part(protocol)], device=place)
        path = robustness_path(leaderboards, test_set=clean.test_set.name, method=job.name, protocol=protocol.name)
        specs = [[case.name, level, spec] for case in cases for level, spec in enumerate(case.specs, start=1)]
        wanted = {
            "test_set": clean.test_set.digest,
            "specs": specs,
            "degradation_seed": degradation_seed,
            "protocol": f"{protocol.name} v{protocol.version}",
            "weights": job.digest,
            "sampler": job.way,
            "seed": job.seed,
        }
        known = None if is_foreign(job.network) else _known(path, wanted, scorer.missing[protocol.name])
        if known is None:
            restored_by = load_restorer(
                job.network,
                job.weights,
                daclip=daclip,
                device=place,
                sampling=sampling if job.way is not None else None,
            )
            store = Store(leaderboards / FOLDER, wanted | _surroundings(job, restored_by, daclip, place))
            method = method_of(job, restored_by)
            total = len(specs) * len(clean.keys)
            try:
                with progress_bar(f"robustness {method.title}", total) as progress:
                    known, rows = evaluate_robustness(
                        restored_by,
                        clean,
                        cases,
                        protocol,
                        method=method,
                        degradation_seed=degradation_seed,
                        scorer=scorer,
                        store=store,
                        progress=progress,
                    )
            except BaseException:
                store.close()
                raise
            write_robustness(leaderboards, known, rows)
            store.remove()
        results.append(known)
    return results


def _known(path: Path, wanted: dict[str, Any], missing: Any) -> RobustnessResult | None:
    """Return a result that is already there for exactly this work and lacks nothing that could now be filled."""
    if not path.is_file() or not path.with_suffix(".parquet").is_file():
        return None
    found = RobustnessResult.from_json(read_json(path, "robustness result"), where=path)
    of_it = {
        "test_set": found.test_set.digest,
        "specs": [[level.case, level.level, level.spec] for level in found.levels],
        "degradation_seed": found.degradation_seed,
        "protocol": str(found.protocol),
        "weights": found.method.weights_sha256,
        "sampler": found.sampler,
        "seed": found.seed,
    }
    return found if of_it == wanted and set(found.missing) <= set(missing) else None


def _surroundings(job: Job, restorer: Restorer, daclip: Path | None, device: str) -> dict[str, Any]:
    """Return what else the scored images of an unfinished run depend on."""
    return {
        "network": job.network,
        "daclip": None if daclip is None else weights_digest(weights_file(daclip)),
        "outside": state_digest(restorer) if is_foreign(job.network) else None,
        "device": device.partition(":")[0],
        "machine": platform.machine(),
        "tool": __version__,
        "versions": versions(),
    }
