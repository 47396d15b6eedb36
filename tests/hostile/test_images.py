"""Hostile image files at every door: one sentence, in little time and memory."""

from __future__ import annotations

import json
import resource
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_images import BORNE, REFUSED, made
from PIL import Image
from trials import Tally, bench, counts

from benchmark.dataset.folder import Dataset
from benchmark.evaluation.submission.pictures import open_pictures
from models.errors import UserError
from models.images.photo import decode_photo, read_photo
from models.images.pixels import decode, encode_png

SECONDS, MEMORY = 20.0, 2**30
CASES = [
    *((name, case, True) for name, case in REFUSED.items()),
    *((name, case, False) for name, case in BORNE.items()),
]


def sampled(count: int) -> list[tuple[str, Callable[[], bytes], bool]]:
    """Return some of the cases, of both kinds."""
    step = max(1, len(CASES) // count)
    return CASES[::step][:count]


def refused(door: Callable[[], Any]) -> tuple[bool | None, str]:
    """Say whether a door refuses a file; None when it fails in another way."""
    try:
        found = door()
    except UserError as error:
        return "\n" not in str(error) and bool(str(error)), str(error)
    except Exception:
        return None, traceback.format_exc(limit=-3)
    return False, str(found)[:100]


@counts(20, len(CASES))
@pytest.mark.filterwarnings("error::UserWarning")
def test_every_door_refuses_or_bears_a_hostile_image(count: int, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    folder, file = tmp_path / "in", tmp_path / "in/a.png"
    folder.mkdir()
    with Tally("hostile images at the doors of build, eval and restore") as tally:
        for name, case, never in sampled(count):
            data = made(case)
            file.write_bytes(data)
            doors: dict[str, Callable[[], Any]] = {
                "decode": lambda data=data: decode(data),
                "decode_photo": lambda data=data: decode_photo(data),
                "read_photo": lambda: read_photo(file),
                "eval": lambda: open_pictures(folder).pixels("a"),
            }
            for door, opens in doors.items():
                started = time.monotonic()
                found, told = refused(opens)
                quick = time.monotonic() - started < SECONDS
                tally.case(f"{name} at {door}", quick and (found is True or (found is False and not never)), told)
            ended = bench("restore", file, tmp_path / "out.png", "--network", "input")
            held = ended.refused and not (tmp_path / "out.png").exists() if never else ended.code == 0 or ended.refused
            tally.case(f"{name} at bench restore", held, f"{ended.code} {ended.err}")
            (tmp_path / "out.png").unlink(missing_ok=True)
    swollen = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert swollen < MEMORY, f"{swollen / 2**20:.0f} MiB"


@counts(20, len(CASES))
def test_a_build_leaves_hostile_images_out_and_says_so(count: int, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    names = {}
    for number, (name, case, never) in enumerate(sampled(count)):
        (folder / f"{number:03}.png").write_bytes(made(case))
        names[f"{number:03}"] = (name, never)
    (folder / "whole.png").write_bytes(encode_png(np.zeros((24, 32, 3), np.uint8)))
    out = tmp_path / "data"
    ended = bench(
        *("build-dataset", "--source", f"custom={folder}", "--degradation", "noisy", "--split", "test", "--out", out),
        *("--workers", "0"),
    )
    with Tally("hostile images in a build") as tally:
        tally.case("the command", ended.code in (0, 1), f"{ended.code} {ended.err}")
        kept = {row["key"].rpartition("/")[2] for row in Dataset(out).index("test")}
        tally.case("the whole image", "whole" in kept)
        listed = "".join(file.read_text() for file in out.rglob("*.json*"))
        for number, (name, never) in names.items():
            held = number not in kept and f"/{number}" in listed if never else True
            tally.case(name, held, "in the dataset" if number in kept else "not told")


def test_postscript_called_png_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-here\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for case in (REFUSED["postscript"], REFUSED["eps"]):
        for door in (decode, decode_photo):
            with pytest.raises(UserError, match="not a readable image"):
                door(made(case))
    assert not (tmp_path / "was-here").exists()


def test_a_device_called_png_ends_in_a_sentence_in_eval_and_build(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="no image"):
        open_pictures(folder)


def test_the_list_of_formats_is_what_file_names_may_say() -> None:
    from models.images.files import FORMATS
    from models.images.pixels import EXTENSIONS

    Image.init()
    assert {Image.EXTENSION[ending] for ending in EXTENSIONS} == set(FORMATS)
    assert json.dumps(FORMATS)
