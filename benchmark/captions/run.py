"""Captions of a dataset folder: which captioner is meant, where it runs, and one writer at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.captions.csv import PREFIX, open_csv
from benchmark.dataset.folder import Dataset
from benchmark.engine import Engine, default_workers
from benchmark.publish.card.write import refresh
from captioning.captioners import CAPTIONERS
from captioning.plan import Split, read_images
from captioning.run import Outcome, Unit, caption_dataset
from captioning.stream import Captioned, caption_stream
from captioning.tables import UNREADABLE
from models.errors import UserError
from models.files import below, sha256_file, single_writer

if TYPE_CHECKING:
    from captioning.captioners.contract import Captioner
    from captioning.captioners.hub import Precision


ANY_MODEL = "blip-large"
"""The captioner whose class opens a model that has no card: one in a folder, or any of the hub."""


@dataclass(frozen=True)
class CaptionOptions:
    """How a model captions; none of it but precision and length changes a caption.

    Arguments:
        device: Where it runs; `"auto"` is the GPU when there is one. Each worker of a cluster has its own.
        precision: See `captioning.captioners.hub`.
        max_new_tokens: Longest caption, in tokens.
        batch_size: Images at once.
        threads: Threads that decode images; None for one a processor.
        compile: Whether the vision tower is compiled.
        engine: `"local"`, or `"ray"` for a worker on every GPU (or processor) of a cluster.
        address: The Ray cluster to join, if any.
    """

    device: str = "auto"
    precision: Precision = "auto"
    max_new_tokens: int = 32
    batch_size: int = 16
    threads: int | None = None
    compile: bool = False
    engine: Engine = "local"
    address: str | None = None


def caption_folder(
    data: Dataset,
    captioner: str,
    *,
    how: CaptionOptions | None = None,
    replace: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Write the captions of a dataset folder, continuing an interrupted run.

    Arguments:
        data: The dataset.
        captioner: A name of the catalogue, `"csv:PATH"`, the folder of a model, or its name on the hub.
        how: How a model captions.
        replace: Whether these captions come into use although others are.
        progress: Called with the number of unique images done and their total.

    Raises:
        UserError: There is no such captioner, its weights are missing, another process is captioning, or the captions
            in use belong to another build.
    """
    how = how or CaptionOptions()
    if how.engine == "local" and how.address is not None:
        raise UserError(f"--address {how.address} belongs to a Ray cluster: add --engine ray")
    splits = {
        split: Split(tuple(file.resolve() for file in data.shards(split)), facts["digest"])
        for split, facts in data.manifest["splits"].items()
    }
    options = model_options(captioner, how)
    writer = open_model(options) if options else open_without_model(captioner, data)
    pixels = options is not None or (captioner in CAPTIONERS and CAPTIONERS[captioner].needs_pixels)
    runner = partial(_on_cluster, options, writer.revision, how) if options and how.engine == "ray" else None
    with single_writer(data.folder):
        outcome = caption_dataset(
            splits,
            writer,
            below(data.folder, "captions", what="folder of captions"),
            pixels=pixels,
            batch_size=how.batch_size,
            threads=how.threads or default_workers(),
            replace=replace,
            runner=runner,
            progress=progress,
        )
        refresh(data.folder)
        return outcome


def model_options(captioner: str, how: CaptionOptions) -> dict[str, Any] | None:
    """Return the arguments of the model's class, or None when `captioner` is not a model.

    Raises:
        UserError: There is no captioner and no folder of this name.
    """
    if captioner.startswith(PREFIX):
        return None
    if captioner not in CAPTIONERS and Path(captioner).is_dir():
        folder = Path(captioner).resolve()
        chosen = {"name": f"folder:{folder.name}", "weights": str(folder), "revision": None}
    elif captioner.count("/") == 1 and not captioner.startswith((".", "/", "~")):
        chosen = {"name": captioner, "weights": captioner, "revision": None}
    elif "/" in captioner or captioner.startswith("."):
        raise UserError(f"captioner folder not found: {captioner}")
    else:
        card = CAPTIONERS[captioner]  # one that is mistyped is told here
        if card.opens != "model":
            return None
        chosen = {"name": captioner, "weights": card.weights, "revision": card.revision}
    from models.inference.cpu import best_device

    device = best_device() if how.device == "auto" else how.device
    return {
        **chosen,
        "device": device,
        "precision": how.precision,
        "max_new_tokens": how.max_new_tokens,
        "compile": how.compile,
    }


def open_model(options: Mapping[str, Any]) -> Captioner:
    """Return the captioner that runs a model; its weights are looked for, but not yet loaded."""
    return CAPTIONERS.load(options["name"] if options["name"] in CAPTIONERS else ANY_MODEL)(**options)


def open_without_model(name: str, data: Dataset) -> Captioner:
    """Return a captioner that runs no model: one that is made from nothing, or gives texts which exist already.

    Raises:
        UserError: The dataset brings no captions, or the caption files do not fit.
    """
    if name.startswith(PREFIX) or CAPTIONERS[name].opens == "files":
        return open_csv(name, data)
    if CAPTIONERS[name].opens == "plain":
        return CAPTIONERS.load(name)()
    found = sidecar_captions(data)
    if not found:
        raise UserError(f"no source of {data.folder} brought captions: use --captioner blip-large or a model's folder")
    return CAPTIONERS.load(name)(found)


def sidecar_captions(data: Dataset) -> dict[str, str]:
    """Return the captions that came with the sources, by digest of the clean image.

    Raises:
        UserError: A file of them is gone, is not the one of the manifest, or holds something else than texts.
    """
    import pyarrow.parquet as pq

    from benchmark.dataset.schema import SIDECAR

    found: dict[str, str] = {}
    for part in data.manifest["sidecar"].values():
        file = below(data.folder, part["file"], what="file of captions in the manifest")
        again = "build the dataset again"
        try:
            if sha256_file(file) != part["sha256"]:
                raise UserError(f"{file} is not the file that was written (its SHA-256 is another): {again}")
            rows = pq.read_table(file).select(SIDECAR.names).cast(SIDECAR).to_pylist()
        except UNREADABLE as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"{file} cannot be read ({reason}): {again}") from None
        for row in rows:
            if None in row.values():
                raise UserError(f"{file} has a row with an empty field: {again}")
            found.setdefault(row["clean_sha256"], row["caption"])
    return found


def _on_cluster(
    options: Mapping[str, Any], revision: str, how: CaptionOptions, units: Sequence[Unit]
) -> Iterator[Sequence[Captioned]]:
    from benchmark.engine.cluster import actors_on_cluster

    make = partial(unit_captioner, options, revision, how.batch_size, how.threads)
    gpus = 1 if options["device"].startswith("cuda") else 0
    yield from actors_on_cluster(make, units, address=how.address, weight=len, gpus=gpus)


def unit_captioner(
    options: Mapping[str, Any], revision: str, batch_size: int, threads: int | None
) -> Callable[[Unit], list[Captioned]]:
    """Load the model on a machine of a cluster and return what captions a unit there.

    Raises:
        UserError: The machine has other weights of the same name, or none.
    """
    captioner = open_model(options)
    if captioner.revision != revision:
        raise UserError(
            f"the weights {options['weights']} are of revision {captioner.revision} on one machine and {revision} on "
            "another: give all the same ones"
        )

    def caption(unit: Unit) -> list[Captioned]:
        images = read_images(unit, pixels=True)
        return list(caption_stream(images, captioner, batch_size=batch_size, threads=threads or default_workers()))

    return caption
