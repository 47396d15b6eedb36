"""The authors' caption files alone: `daclip_train.csv` and `daclip_val.csv`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from benchmark.dataset.folder import Dataset
from benchmark.export.names import image_names
from benchmark.export.run import Options, Plan, Unit, captioned
from captioning.text import split_text
from captioning.titles import file_name, render_titles
from models.files import below, sha256_bytes, write_bytes

DATAROOT = "datasets/universal"
"""Where the official code looks for the dataset."""


def plan(data: Dataset, out: Path, options: Options) -> Plan:
    """Plan the caption files of all splits that have captions.

    Rows are grouped by type in the paper's order; `filepath` is the path that the degraded image has in the
    `universal` layout below the data root.
    """
    chosen = {"dataroot": options.dataroot or DATAROOT}
    units = [unit(data, split, out, options) for split in captioned(data)]
    return Plan(
        chosen, units, [f"--train-data {out / file_name('train')} --csv-img-key filepath --csv-caption-key title"]
    )


def unit(data: Dataset, split: str, out: Path, options: Options) -> Unit:
    """Return the work of writing the caption file of one split.

    Raises:
        UserError: The captions belong to other images, or a name of the dataset cannot be one of a file.
    """
    content = render_titles(titles(data, split, out, dataroot=options.dataroot or DATAROOT))
    digest = sha256_bytes(content)

    def write() -> Mapping[Path, str]:
        file = below(out, file_name(split))
        write_bytes(file, content)
        return {file: digest}

    return Unit(f"captions-{split}", data.split(split)["rows"], len(content), write, digest)


def titles(data: Dataset, split: str, out: Path, *, dataroot: str) -> Iterator[tuple[str, str, str]]:
    """Yield path of the degraded image, caption and degradation of each pair, in the authors' order.

    Captions stand as they are, in quotes where the format needs it. A program that takes fields for formulas, as
    spreadsheets do with "=1+1", is not what the files are for.
    """
    root = PurePosixPath(dataroot)
    named = image_names(data, split, out, {"degraded": "LQ"})
    captions = {row["key"]: row for row in data.captions(split)}
    for key, names in named.items():
        told = captions[key]
        yield str(root / names["degraded"]), told["caption"], split_text(told["text"])[1]
