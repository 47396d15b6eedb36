"""Datasets and folders of strangers that name places elsewhere: an export writes below its folder alone."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from export_data import write
from kept_folders import state_of
from small_datasets import small_dataset, write_captions
from stranger_datasets import rewrite
from trials import Tally, bench, counts

from benchmark.dataset.folder import Dataset
from benchmark.export import LAYOUTS
from models.errors import UserError
from models.files import read_json, write_json

FIELDS = ("degradation", "key", "degraded.path", "clean.path", "split", "source", "manifest split", "shard file")

NAMES = (
    "../../x.sh",
    "{root}/evil/x.sh",
    "..",
    ".",
    "../elsewhere/x.png",
    "a/../../../x.png",
    "..\\..\\x.png",
    "C:\\evil.png",
    "x\0/../../y.png",
    "x\n../../y.png",
    "/",
    "//{root}/evil.png",
    "~/evil.png",
    ".ssh/authorized_keys",
    "a" * 5000,
    "ü" * 150 + ".png",
    "\u202egnp.exe",
    "$(touch {root}/evil).png",
    "train/../../x.png",
    "x.sh",
    "",
    "%2e%2e/x.png",
)
"""Names that lead elsewhere, or that some system takes for something else."""


KINDS = ("", ".png", ".json", ".csv", ".tar")
"""Endings of all that an export of this dataset holds."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one source with captions."""
    data = small_dataset(tmp_path_factory.mktemp("places") / "data", sources=("lol",), rows=2)
    write_captions(data)
    return data


def with_name(data: Path, field: str, name: str) -> None:
    """Put a name into a field of the first row, or into the manifest, which agrees with it."""

    def change(rows: list[dict[str, Any]]) -> None:
        column, _, part = field.partition(".")
        if part:
            rows[0][column][part] = name
        else:
            rows[0][column] = name

    if field in ("manifest split", "shard file"):
        manifest = read_json(data / "manifest.json", "manifest")
        manifest.pop("seal", None)
        if field == "shard file":
            manifest["shards"][0]["file"] = f"data/test-{name}"
        else:
            manifest["splits"][name] = manifest["splits"]["test"]
        write_json(data / "manifest.json", manifest)
    else:
        rewrite(data, change)
        shutil.rmtree(data / "captions")
        with contextlib.suppress(UserError):  # the dataset may be refused before anything asks for captions
            write_captions(data)


@counts(16, len(FIELDS) * len(NAMES))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_of_strangers_lead_nowhere_else(layout: str, count: int, original: Path, tmp_path: Path) -> None:
    cases = list(itertools.product(NAMES, FIELDS))
    with Tally(f"names of strangers, exported to {layout}") as tally:
        for number in range(count):
            name, field = cases[number]
            root = tmp_path / str(number)
            shutil.copytree(original, root / "a" / "data")
            try:
                with_name(root / "a" / "data", field, name.replace("{root}", str(root)))
            except (ValueError, OSError):
                continue  # no dataset can hold it
            out = root / "b" / "out"
            out.parent.mkdir()
            before = state_of(root)
            ended = bench("export", root / "a" / "data", out, "--layout", layout)
            after = state_of(root, without=out)
            odd = [
                path for path in out.rglob("*") if path.is_symlink() or (path.is_file() and path.suffix not in KINDS)
            ]
            held = before == after and not odd and (ended.code == 0 or ended.refused)
            tally.case(
                f"{field} = {name[:40]!r}", held, f"{ended.code} {ended.err[-300:]} {odd} {after.keys() ^ before}"
            )
            shutil.rmtree(root)


LINKS = {
    "universal": ("train", "train/low-light", "train/low-light/LQ", "val/low-light/GT", "daclip_val.csv"),
    "daclip-csv": ("daclip_train.csv", "daclip_val.csv"),
    "webdataset": ("train-00000.tar", "test-00000.tar", "sizes.json"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_links_in_the_folder_are_not_followed(layout: str, original: Path, tmp_path: Path) -> None:
    with Tally(f"links in the folder of an export to {layout}") as tally:
        for number, name in enumerate((*LINKS[layout], ".lock", ".export", ".export/plan.json", "export.json")):
            out, elsewhere = tmp_path / f"out-{number}", tmp_path / f"elsewhere-{number}"
            write(Dataset(original), out, layout)
            for report in (out / ".export").glob("*.json"):
                if report.name != "plan.json":
                    report.unlink()
            os.rename(out / name, elsewhere)
            (out / name).symlink_to(elsewhere)
            before = state_of(elsewhere) if elsewhere.is_dir() else elsewhere.read_bytes()
            ended = bench("export", original, out, "--layout", layout, "--dataroot", "root", "--shard-size", "7")
            after = state_of(elsewhere) if elsewhere.is_dir() else elsewhere.read_bytes()
            tally.case(name, before == after and (ended.code == 0 or ended.refused), f"{ended.code} {ended.err}")
