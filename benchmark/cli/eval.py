"""`bench eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from benchmark.cli.sampler_options import chosen_sampling, sampler_options
from benchmark.protocols import PROTOCOLS
from benchmark.tables import TABLES
from models.errors import UserError

if TYPE_CHECKING:
    from benchmark.results import Result


@click.command(
    name="eval",
    epilog="""\b
Examples:
  bench eval --table 3 --data datasets/demo --runs runs
  bench eval --table 2a --data datasets/rain100h                       (the degraded input alone)
  bench eval --table 2b --data datasets/lol --network nafnet --weights runs/nafnet
  bench eval --data datasets/demo --network ir-sde-daclip --weights runs/ir-sde-daclip --sampler mr-sde-2 --nfe 10
  bench eval --restored out --clean GT --protocol modern --json scores.json""",
)
@click.option("--table", metavar="TABLE", help="Evaluate for this table: 1, 2a, 2b, 2c, 2d, 3 or classification.")
@click.option("--data", type=click.Path(path_type=Path), help="A dataset folder with a test split.")
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of run folders; every finished one is evaluated.")
@click.option("--network", help="One network, with --weights.")
@click.option("--weights", type=click.Path(path_type=Path), help="Weights file or run of --network.")
@click.option("--daclip", type=click.Path(path_type=Path), help="DA-CLIP of --network, when its metadata name none.")
@sampler_options
@click.option("--restored", type=click.Path(path_type=Path), help="A folder of restored images, of any method.")
@click.option("--clean", type=click.Path(path_type=Path), help="The clean images of --restored, same names.")
@click.option("--protocol", metavar="PROTOCOL", help="Instead of the table's own; see bench list protocols.")
@click.option("--method", help="Name under which --restored is listed.  [default: its folder's name]")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the (last) result here.")
@click.option(
    "--leaderboards",
    default="leaderboards",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder whose results/ is written to.",
)
@click.option("--save-images", type=click.Path(path_type=Path), help="Write every restored image below this folder.")
@click.option("--device", help="cpu, cuda, ...  [default: cuda when there is one, else cpu]")
def command(
    table: str | None,
    data: Path | None,
    runs: Path | None,
    network: str | None,
    weights: Path | None,
    daclip: Path | None,
    sampler: str | None,
    nfe: int | None,
    prediction: Literal["data", "noise"] | None,
    seed: int | None,
    restored: Path | None,
    clean: Path | None,
    protocol: str | None,
    method: str | None,
    json_file: Path | None,
    leaderboards: Path,
    save_images: Path | None,
    device: str | None,
) -> None:
    """Score networks on a test set, or a folder of restored images, under a named protocol.

    With --data: the degraded input itself and every run are evaluated; a result that is already there for the same
    weights, test set, protocol, sampler and seed is kept. With --restored: the folder is scored against --clean.

    Diffusion networks are sampled as their authors do unless --sampler or --nfe say otherwise; that result is then
    listed beside the one of the published way, under a name that tells sampler and network calls.
    """
    sampling = chosen_sampling(sampler, nfe, prediction, seed, network=network)
    if restored is not None and data is not None:
        raise UserError("give either --data DATASET, or --restored DIR with --clean DIR, not both")
    if restored is not None:
        if clean is None or protocol is None:
            raise UserError("--restored needs --clean DIR and --protocol PROTOCOL (see bench list protocols)")
        results = [_score_folder(restored, clean, protocol, method)]
    elif data is not None:
        card = TABLES[table or "3"]
        if card.name == "1":
            _count(data, leaderboards)
            return
        if card.name == "classification":
            _classify(data, runs, weights, leaderboards, device)
            return
        chosen = PROTOCOLS[protocol or card.protocol or "daclip"]
        from benchmark.cli.evaluation import evaluate_all
        from benchmark.dataset import Dataset
        from models.files import single_writer

        dataset = Dataset(data)
        with single_writer(leaderboards / "results"):
            results = evaluate_all(
                dataset,
                runs=runs,
                network=network,
                weights=weights,
                daclip=daclip,
                protocol=chosen,
                leaderboards=leaderboards,
                save_images=save_images,
                device=device,
                sampling=sampling,
            )
    else:
        raise UserError("give either --data DATASET, or --restored DIR with --clean DIR")
    if json_file is not None:
        from models.files import write_json

        write_json(json_file, results[-1].to_json())
    print_results(results)


def print_results(results: list[Result]) -> None:
    """Print one row a method, and what would fill the empty cells."""
    from benchmark.metrics import METRICS
    from benchmark.report.terminal import print_table

    def cell(result: Any, name: str) -> str:
        score = result.metrics.get(name)
        return "-" if score is None else f"{score.number:.{METRICS[name].decimals}f}"

    first = results[0]
    print_table(
        f"{first.test_set.title}, {first.n} images, protocol {first.protocol}",
        ["method", *(METRICS[name].label for name in METRICS)],
        [[r.method.title, *(cell(r, name) for name in METRICS)] for r in results],
    )
    for name, reason in first.missing.items():
        click.echo(f"{METRICS[name].label} is empty: {reason}", err=True)


def _score_folder(restored: Path, clean: Path, protocol: str, method: str | None) -> Result:
    from benchmark.evaluate import evaluate_folder
    from benchmark.progress import progress_bar
    from models.images import list_images

    name, chosen = method or restored.resolve().name, PROTOCOLS[protocol]
    with progress_bar(f"score {name}", len(list_images(restored))) as progress:
        return evaluate_folder(restored, clean, chosen, method=name, progress=progress)[0]


def _count(data: Path, leaderboards: Path) -> None:
    from benchmark.counts_results import CountsResult, DatasetId, write_counts
    from benchmark.dataset import Dataset
    from benchmark.provenance import birth_certificate
    from benchmark.report.terminal import print_counts

    dataset = Dataset(data)
    counts = {split: facts["counts"] for split, facts in dataset.manifest["splits"].items()}
    result = CountsResult(dataset=DatasetId(dataset.name, dataset.digest), counts=counts, **birth_certificate())
    write_counts(leaderboards, result)
    print_counts(dataset.manifest)


def _classify(data: Path, runs: Path | None, weights: Path | None, leaderboards: Path, device: str | None) -> None:
    from benchmark.cli.evaluation import classify_all
    from benchmark.report.terminal import print_table
    from models.vocabulary import in_order, label

    results = classify_all(data=data, runs=runs, weights=weights, leaderboards=leaderboards, device=device)
    types = in_order(word for result in results for word in result.types)
    header = ["method", *(label(word) for word in types), "mean"]
    rows = []
    for result in results:
        cells = [f"{100 * result.groups[w].accuracy:.0f}" if w in result.groups else "-" for w in types]
        rows.append([result.method.title, *cells, f"{100 * result.accuracy:.1f}"])
    print_table(f"Degradation classification, accuracy in % (chance {100 * results[0].chance:.0f} %)", header, rows)
    for result in results:
        counts = [
            [label(word), *map(str, row)]
            for word, row in zip(result.types, result.confusion, strict=True)
            if word in result.groups
        ]
        title = f"Confusion of {result.method.title}: images of each type (rows) by answer (columns)"
        print_table(title, ["", *(label(word) for word in result.types)], counts)
