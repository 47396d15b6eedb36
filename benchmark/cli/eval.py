"""`bench eval`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from benchmark.cli.options import chosen_sampling, network_options, sampler_options
from benchmark.engine import ENGINES, Engine
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.results.restoration import read_per_image
from benchmark.tables import TABLES
from models.errors import UserError
from models.networks.find import find_network

if TYPE_CHECKING:
    from benchmark.results.restoration import Result


@click.command(
    name="eval",
    epilog="""\b
Examples:
  bench eval --table 3 --data datasets/demo --runs runs
  bench eval --table 2a --data datasets/rain100h                       (the degraded input alone)
  bench eval --table 2b --data datasets/lol --network nafnet --weights runs/nafnet
  bench eval --data datasets/demo --network ir-sde-daclip --weights runs/ir-sde-daclip --sampler mr-sde-2 --nfe 10
  bench eval --data datasets/rain100h --network prenet --weights p.pth --network jorder --weights j.caffemodel
  bench eval --data datasets/lol --restored theirs.zip --method theirs --protocol daclip-table2 --protocol modern
  bench eval --restored out --clean GT --protocol modern --json scores.json""",
)
@click.option("--table", metavar="TABLE", help="Evaluate for this table: 1, 2a, 2b, 2c, 2d, 3 or classification.")
@click.option("--data", type=click.Path(path_type=Path), help="A dataset folder with a test split.")
@network_options
@sampler_options
@click.option("--restored", type=click.Path(path_type=Path), help="A folder or zip of restored images, of any method.")
@click.option(
    "--clean", type=click.Path(path_type=Path), help="Folder or zip of the clean images of --restored, same names."
)
@click.option("--allow-missing", is_flag=True, help="Score --restored though some of its images are missing.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    metavar="PROTOCOL",
    help="Instead of the table's own; see bench list protocols. May be given several times.",
)
@click.option("--method", help="Name under which --restored is listed.  [default: its folder's name]")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    help="Also write the result, and its rows as Parquet, here; of several, each under the name of its own.",
)
@click.option(
    "--leaderboards",
    default="leaderboards",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder whose results/ is written to.",
)
@click.option("--save-images", type=click.Path(path_type=Path), help="Write every restored image below this folder.")
@click.option("--device", help="cpu, cuda, ...  [default: cuda when there is one, else cpu]")
@click.option("--engine", type=click.Choice(ENGINES), default="local", show_default=True, help="Where networks run.")
@click.option("--address", help="Ray cluster to join, e.g. auto or ray://host:10001.  [default: RAY_ADDRESS or none]")
def command(
    table: str | None,
    data: Path | None,
    runs: Path | None,
    networks: tuple[str, ...],
    weights: tuple[Path, ...],
    daclip: Path | None,
    sampler: str | None,
    nfe: int | None,
    prediction: Literal["data", "noise"] | None,
    seed: int | None,
    restored: Path | None,
    clean: Path | None,
    allow_missing: bool,
    protocols: tuple[str, ...],
    method: str | None,
    json_file: Path | None,
    leaderboards: Path,
    save_images: Path | None,
    device: str | None,
    engine: Engine,
    address: str | None,
) -> None:
    """Score networks on a test set, or a folder of restored images, under a named protocol.

    With --data: the degraded input itself and every run are evaluated, or the networks given; a result that is already
    there for the same weights, test set, protocol, sampler and seed is kept. With --restored: the images are scored
    against --clean, or against the test split of --data. The same restored images are scored under every --protocol.

    An evaluation can be killed at any moment; the same command continues. Engine and interruptions change no number.

    Diffusion networks are sampled as their authors do unless --sampler or --nfe say otherwise; that result is then
    listed beside the one of the published way, under a name that tells sampler and network calls.
    """
    sampled = next((name for name in networks if find_network(name).sampler), None)
    single = sampled or (networks[0] if networks else None)
    sampling = chosen_sampling(sampler, nfe, prediction, seed, network=single)
    if data is None and restored is None:
        raise UserError("give either --data DATASET, or --restored DIR with --clean DIR")
    if data is not None and clean is not None:
        raise UserError("give either --data DATASET, or --restored DIR with --clean DIR, not both")
    if restored is not None and (networks or runs is not None):
        raise UserError("--restored holds images that are restored already: leave --network and --runs away")
    card = TABLES[table or "3"]
    if data is not None and card.name == "1":
        _count(data, leaderboards)
        return
    if data is not None and card.name == "classification":
        _classify(data, runs, weights[0] if weights else None, leaderboards, device)
        return
    if restored is not None and not protocols and table is None:
        raise UserError("--restored needs --clean DIR and --protocol PROTOCOL (see bench list protocols)")
    chosen = [PROTOCOLS[name] for name in dict.fromkeys(protocols or (card.protocol or "daclip",))]
    from benchmark.dataset.folder import Dataset
    from benchmark.evaluation.jobs import find_jobs
    from benchmark.evaluation.run import evaluate_jobs, evaluate_submission
    from models.files import single_writer

    dataset = Dataset(data) if data is not None else None
    with single_writer(leaderboards / "results"):
        if restored is not None:
            evaluated = evaluate_submission(
                restored,
                chosen,
                method=method or restored.resolve().stem,
                clean=clean,
                dataset=dataset,
                allow_missing=allow_missing,
                leaderboards=leaderboards,
                device=device,
            )
            results = [one.result for one in evaluated]
            rows = [one.rows for one in evaluated]
        else:
            assert dataset is not None
            results = evaluate_jobs(
                dataset,
                find_jobs(runs=runs, networks=networks, weights=weights, sampling=sampling),
                chosen,
                leaderboards=leaderboards,
                daclip=daclip,
                save_images=save_images,
                device=device,
                sampling=sampling,
                engine=engine,
                address=address,
            )
            rows = [read_per_image(leaderboards, result) or [] for result in results]
    if json_file is not None:
        write_copies(json_file, results, rows)
    print_results(results)


def write_copies(file: Path, results: Sequence[Result], rows: Sequence[Sequence[Any]]) -> None:
    """Write one result to a file, or several beside each other under the file's name and their own."""
    from benchmark.results.restoration import write_pair

    for result, per_image in zip(results, rows, strict=True):
        path = file
        if len(results) > 1:
            path = file.with_name(f"{file.stem}.{result.method.name}.{result.protocol.id}{file.suffix}")
        write_pair(path, result, per_image)


def print_results(results: Sequence[Result]) -> None:
    """Print a table for each protocol, one row a method, and what would fill the empty cells."""
    from benchmark.metrics import METRICS
    from benchmark.report.terminal import print_table

    def cell(result: Result, name: str) -> str:
        score = result.metrics.get(name)
        return "-" if score is None else f"{score.number:.{METRICS[name].decimals}f}"

    told: dict[str, None] = {}
    for protocol in dict.fromkeys(str(result.protocol) for result in results):
        mine = [result for result in results if str(result.protocol) == protocol]
        shown = [name for name in METRICS if any(name in r.metrics or name in r.missing for r in mine)]
        first = mine[0]
        count = str(first.n) if first.n == first.test_set.n else f"{first.n} of {first.test_set.n}"
        print_table(
            f"{first.test_set.title}, {count} images, protocol {protocol}",
            ["method", *(METRICS[name].label for name in shown)],
            [[r.method.title, *(cell(r, name) for name in shown)] for r in mine],
        )
        for result in mine:
            told |= {f"{METRICS[name].label} is empty: {reason}": None for name, reason in result.missing.items()}
    for line in told:
        click.echo(line, err=True)


def _count(data: Path, leaderboards: Path) -> None:
    from benchmark.dataset.folder import Dataset
    from benchmark.report.terminal import print_counts
    from benchmark.results.counts import CountsResult, DatasetId, write_counts
    from benchmark.results.provenance import birth_certificate

    dataset = Dataset(data)
    counts = {split: facts["counts"] for split, facts in dataset.manifest["splits"].items()}
    result = CountsResult(dataset=DatasetId(dataset.name, dataset.digest), counts=counts, **birth_certificate())
    write_counts(leaderboards, result)
    print_counts(dataset.manifest)


def _classify(data: Path, runs: Path | None, weights: Path | None, leaderboards: Path, device: str | None) -> None:
    from benchmark.evaluation.classification.run import classify_all
    from benchmark.report.classification import accuracy_table, confusion_table
    from benchmark.report.terminal import print_table
    from models.vocabulary import in_order

    results = classify_all(data=data, runs=runs, weights=weights, leaderboards=leaderboards, device=device)
    types = in_order(word for result in results for word in result.types)
    chance = f"{100 * results[0].chance:.0f}"
    print_table(f"Degradation classification, accuracy in % (chance {chance} %)", *accuracy_table(results, types))
    for result in results:
        title = f"Confusion of {result.method.title}: images of each type (rows) by answer (columns)"
        print_table(title, *confusion_table(result))
