"""Places that are no files, where weights are expected: each reader says so, at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from container_trials import refused_or_data
from trials import Tally

from benchmark.degradations.kernels.stored import stored_kernels
from benchmark.downloads.find import load_state
from benchmark.downloads.pickles import read_arrays, read_script
from captioning.captioners.stored_weights import check_files
from models.errors import UserError
from models.training.losses.features import load_features
from models.weights.formats.caffemodel import is_caffemodel, read_caffemodel
from models.weights.formats.flax_npz import is_npz, read_npz
from models.weights.formats.tfjs import is_tfjs, read_tfjs
from models.weights.reading import is_safetensors, read_checkpoint, read_content, regular_file, safetensors_metadata

READERS: dict[str, Callable[[Path], Any]] = {
    "checkpoint": read_checkpoint,
    "content": read_content,
    "metadata": safetensors_metadata,
    "tfjs": read_tfjs,
    "npz": read_npz,
    "caffemodel": read_caffemodel,
    "arrays": read_arrays,
    "script": read_script,
    "metric": load_state,
    "kernels": lambda path: stored_kernels(str(path)),
    "loss": lambda path: load_features("perceptual-vgg16", str(path)),
}


def places(folder: Path) -> list[Path]:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))
    (folder / "folder").mkdir()
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "empty").write_bytes(b"")
    found = [*folder.iterdir(), folder / "absent", folder / "empty" / "below"]
    system = ("/dev/zero", "/dev/random", "/dev/full", "/dev/null", "/dev/tty", "/proc/self/mem", "/proc/kmsg")
    more = ("/proc/self/environ", "/proc/self/pagemap", "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/kcore")
    return [*found, *map(Path, system), *map(Path, more)]


def test_places_that_are_no_weights_end_in_a_sentence_at_once(tmp_path: Path) -> None:
    with Tally("places that are no files") as tally:
        for path in places(tmp_path):
            for ask in (is_safetensors, is_tfjs, is_npz, is_caffemodel):
                tally.case(f"{ask.__name__} {path}", ask(path) in (True, False))
            for name, read in READERS.items():
                if path.exists() or name not in ("loss",):
                    refused_or_data(tally, f"{name}: {path}", lambda: read(path), path, refused=True, seconds=2)  # noqa: B023


@pytest.mark.parametrize(
    "name", ["model.safetensors", "pytorch_model.bin", "config.json", "model.safetensors.index.json"]
)
@pytest.mark.parametrize("target", ["/dev/zero", "/proc/self/mem", "pipe"])
def test_a_captioner_is_read_from_files_alone(name: str, target: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "config.json").write_text("{}")
    if name != "config.json":
        torch.save({}, tmp_path / "pytorch_model.bin")
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to(target if target.startswith("/") else tmp_path / target)
    with Tally("places in a captioner's folder") as tally:
        harmless = not (tmp_path / name).is_file() and name != "config.json"
        refused_or_data(tally, name, lambda: check_files(tmp_path), tmp_path / name, refused=not harmless, seconds=2)


@pytest.mark.parametrize(
    "names", [["../x.bin"], ["/etc/passwd"], ["a/b.bin"], ["x.txt"], [3], [None], [], ["x\n.bin"], ["no.bin"]]
)
def test_an_index_names_files_beside_it(names: list[Any], tmp_path: Path) -> None:
    import json

    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {str(place): name for place, name in enumerate(names)}}))
    with pytest.raises(UserError, match=r"index|no\.bin"):
        check_files(tmp_path)


def test_a_file_that_grows_is_read_as_long_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save({"a": torch.arange(5.0)}, path)
    state = read_checkpoint(path).state
    with open(path, "ab") as more:
        more.write(bytes(1 << 20))
    assert state["a"].tolist() == [0, 1, 2, 3, 4]
    with regular_file(path) as handle:
        assert handle.read(2) == b"PK"
