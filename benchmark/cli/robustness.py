"""`bench robustness`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from benchmark.cli.options import chosen_sampling, network_options, sampler_options
from benchmark.metrics.protocols import PROTOCOLS
from models.networks.find import find_network

if TYPE_CHECKING:
    from benchmark.results.robustness import RobustnessResult


@click.command(
    name="robustness",
    epilog="""\b
Examples:
  bench robustness --data datasets/demo                                (the degraded images themselves)
  bench robustness --data photos --network nafnet --weights runs/nafnet
  bench robustness --data datasets/cbsd68 --case noisy --case mixed --network restormer --weights restormer.pth
  bench robustness --data photos --runs runs --limit 20""",
)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Clean images: a folder or zip, or a dataset, of whose test split the clean images are taken.",
)
@network_options
@click.option(
    "--case",
    "names",
    multiple=True,
    metavar="CASE",
    help="A degradation or mixture, or known, unseen or mixed; repeatable.  [default: all]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many clean images.")
@click.option(
    "--degradation-seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the degradations."
)
@sampler_options
@click.option("--protocol", default="modern", show_default=True, help="See bench list protocols.")
@click.option(
    "--leaderboards",
    default="leaderboards",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder whose robustness/ is written to.",
)
@click.option("--device", help="cpu, cuda, ...  [default: cuda when there is one, else cpu]")
def command(
    data: Path,
    runs: Path | None,
    networks: tuple[str, ...],
    weights: tuple[Path, ...],
    daclip: Path | None,
    names: tuple[str, ...],
    limit: int | None,
    degradation_seed: int,
    sampler: str | None,
    nfe: int | None,
    prediction: Literal["data", "noise"] | None,
    seed: int | None,
    protocol: str,
    leaderboards: Path,
    device: str | None,
) -> None:
    """Restore clean images that were degraded in many ways, each at five levels, and score them.

    The cases are the ten types, degradations that none of them is, and mixtures. Without --network the degraded images
    themselves are scored, which the curves of the others are to be held against. Set metrics are left out. Results go
    to robustness/ of the leaderboards; bench leaderboard makes pages and curves of them.

    A run can be killed at any moment; the same command continues.
    """
    from benchmark.evaluation.robustness.cases import chosen_cases

    cases, chosen = chosen_cases(names), PROTOCOLS[protocol]
    sampled = next((name for name in networks if find_network(name).sampler), networks[0] if networks else None)
    sampling = chosen_sampling(sampler, nfe, prediction, seed, network=sampled)
    from benchmark.evaluation.jobs import find_jobs
    from benchmark.evaluation.robustness.measure import clean_images
    from benchmark.evaluation.robustness.run import measure_jobs
    from benchmark.results.robustness import FOLDER
    from models.files import single_writer

    jobs = find_jobs(runs=runs, networks=networks, weights=weights, sampling=sampling)
    with single_writer(leaderboards / FOLDER):
        results = measure_jobs(
            jobs,
            clean_images(data, limit=limit),
            cases,
            chosen,
            leaderboards=leaderboards,
            daclip=daclip,
            device=device,
            sampling=sampling,
            degradation_seed=degradation_seed,
        )
    _print(results)


def _print(results: list[RobustnessResult]) -> None:
    """Print a table a metric: a row a case, a column a method, the mean over the levels."""
    from benchmark.metrics import METRICS
    from benchmark.report.robustness_figure import case_label
    from benchmark.report.terminal import print_table

    def cell(result: RobustnessResult, case: str, name: str) -> str:
        values: list[Any] = [result.number(case, level, name) for level in result.level_numbers]
        return "-" if None in values else f"{sum(values) / len(values):.{METRICS[name].decimals}f}"

    first = results[0]
    for name in [name for name in METRICS if name in first.levels[0].metrics]:
        print_table(
            f"{METRICS[name].label}, mean over the levels, {first.test_set.n} images, protocol {first.protocol}",
            ["", *(result.method.title for result in results)],
            [[case_label(case), *(cell(result, case, name) for result in results)] for case in first.cases],
        )
    for name, reason in first.missing.items():
        click.echo(f"{METRICS[name].label} is empty: {reason}", err=True)
