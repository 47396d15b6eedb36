"""The files of a captioner are looked at by our own readers before transformers opens them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from models.errors import UserError
from models.files import parse_json
from models.weights.formats.doors import content, regular_file
from models.weights.formats.safetensors_files import read_header
from models.weights.reading import read_content

INDEX = ".index.json"
WEIGHTS = ("model.safetensors", f"model.safetensors{INDEX}", "pytorch_model.bin", f"pytorch_model.bin{INDEX}")
"""Where transformers looks for weights, in its order; an index lists the files of weights in several."""


def check_files(folder: Path) -> None:
    """See that the weights of a captioner are data that fits its files, and its settings JSON objects.

    What transformers would take is checked: safetensors by their headers, pickles as a whole, but no number is read.

    Arguments:
        folder: A complete folder, see `NEEDED` of `model_files`.

    Raises:
        UserError: A file is damaged, is no ordinary file, contains code, or lies outside of the folder.
    """
    for file in sorted(folder.glob("*config.json")):
        _object(file, "configuration of the captioner")
    for file in weights_in(folder):
        try:
            if file.suffix == ".safetensors":
                with regular_file(file) as handle:
                    read_header(handle, file)
            else:
                read_content(file)
        except UserError as error:
            raise UserError(f"the captioner in {folder} cannot be loaded ({error}): fetch it again") from None


def weights_in(folder: Path) -> list[Path]:
    """Return the files that transformers takes the weights from.

    Raises:
        UserError: An index names files that are missing or not beside it.
    """
    first = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if first is None:
        return []
    if not first.name.endswith(INDEX):
        return [first]
    places = _object(first, "index of the captioner's weights").get("weight_map")
    ending = Path(first.name.removesuffix(INDEX)).suffix
    names = list(places.values()) if isinstance(places, dict) else []
    if not names or not all(_beside(name, ending) for name in names):
        raise UserError(f"the index {first} does not list files of weights beside it: fetch the captioner again")
    return [folder / name for name in sorted(set(names))]


def _beside(name: object, ending: str) -> bool:
    return isinstance(name, str) and PurePosixPath(name).name == name and name.isprintable() and name.endswith(ending)


def _object(file: Path, what: str) -> dict[str, Any]:
    with regular_file(file, what=what) as handle:
        return parse_json(content(handle, file), f"{what} {file}")
