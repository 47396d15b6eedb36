"""What `bench robustness` does for each network: skip what is done, measure, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.engine.progress import progress_bar
from benchmark.evaluation.jobs import EvaluationJob, identity_of, method_of
from benchmark.evaluation.robustness.cases import Case
from benchmark.evaluation.robustness.measure import CleanImages, evaluate_robustness, per_image_part
from benchmark.evaluation.scoring.scorer import MultiScorer
from benchmark.evaluation.setting import loaded_setting, planned_setting, same_setting
from benchmark.evaluation.store import Store
from benchmark.metrics.protocols import Protocol
from benchmark.results.parts import Setting
from benchmark.results.robustness import (
    FOLDER,
    RobustnessResult,
    read_robustness_result,
    robustness_path,
    write_robustness,
)
from models.inference.cpu import best_device
from models.inference.loading import load_restorer
from models.networks.find import is_foreign

if TYPE_CHECKING:
    from models.diffusion.settings import Sampling


def measure_jobs(
    jobs: Sequence[EvaluationJob],
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
        planned = planned_setting(job, daclip=daclip, device=place)
        wanted = {
            "test_set": clean.test_set.digest,
            "specs": specs,
            "degradation_seed": degradation_seed,
            "protocol": f"{protocol.name} v{protocol.version}",
            "network": job.network,
            "weights": job.digest,
            "sampler": job.way,
            "seed": job.seed,
        }
        known = None if is_foreign(job.network) else _known(path, wanted, planned, scorer.missing[protocol.name])
        if known is None:
            restored_by = load_restorer(
                job.network,
                job.weights,
                daclip=daclip,
                device=place,
                sampling=sampling if job.way is not None else None,
            )
            setting = loaded_setting(job, planned, restored_by)
            store = Store(leaderboards / FOLDER, wanted | identity_of(job, clean.test_set.digest, restored_by, setting))
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
                        setting=setting,
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


def _known(path: Path, wanted: dict[str, Any], setting: Setting, missing: Any) -> RobustnessResult | None:
    """Return a result that is already there for exactly this work and lacks nothing that could now be filled."""
    if not path.is_file() or not path.with_suffix(".parquet").is_file():
        return None
    found = read_robustness_result(path)
    of_it = {
        "test_set": found.test_set.digest,
        "specs": [[level.case, level.level, level.spec] for level in found.levels],
        "degradation_seed": found.degradation_seed,
        "protocol": str(found.protocol),
        "network": found.method.network,
        "weights": found.method.weights_sha256,
        "sampler": found.sampler,
        "seed": found.seed,
    }
    same = of_it == wanted and same_setting(found.setting, setting)
    return found if same and set(found.missing) <= set(missing) else None
