"""Weights that are there already, two who fetch at once, the command, and what is offered."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from package_stand_in import Registry, sha256
from test_weights_get import DATA, ckpt, offer, registry

from benchmark.cli import main
from benchmark.downloads import fetch
from benchmark.downloads.fetch import get
from benchmark.downloads.find import WEIGHT_FILES, find_weight_file
from benchmark.downloads.layouts import alexnet
from benchmark.downloads.offers import OFFERS
from models.errors import UserError

__all__ = ["registry"]  # a fixture


def test_a_file_that_is_there_and_is_another_one_is_left_and_named(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"model.pth is damaged or another file.*; remove it and run this again"):
        get(offer(registry, digest="00112233" * 8), tmp_path)
    assert (tmp_path / "model.pth").read_bytes() == b"mine"


def test_two_at_once_fetch_once(registry: Registry, tmp_path: Path) -> None:
    registry.files["/model.pth"] = DATA * 4
    code = (
        "import sys; from pathlib import Path; from benchmark.downloads.fetch import get;"
        "from benchmark.downloads.described import Offer;"
        "o = Offer(name='model', purpose='', url=sys.argv[1], file='model.pth', sha256=sys.argv[3]);"
        "print(get(o, Path(sys.argv[2])).origin)"
    )
    command = [sys.executable, "-c", code, f"{registry.address}/model.pth", str(tmp_path / "w"), sha256(DATA * 4)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate()[0].strip() for process in both) == ["official", "there already"]
    assert len(registry.asked) == 1
    assert (tmp_path / "w" / "model.pth").read_bytes() == DATA * 4


def test_the_command_fetches_lists_and_names_what_is_unknown(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.files["/model.pth"] = DATA
    monkeypatch.setitem(OFFERS, "model", offer(registry, digest=sha256(DATA)))
    monkeypatch.setitem(
        OFFERS, "gone", dataclasses.replace(offer(registry, path="/gone"), name="gone", file="gone.pth")
    )

    def run(*arguments: object) -> tuple[int, str, str]:
        status = 0
        try:
            main(["weights", *map(str, arguments)])
        except SystemExit as end:
            status = int(end.code or 0)
        told = capsys.readouterr()
        return status, told.out, told.err

    status, out, err = run("get", "gone", "model", "--folder", tmp_path)
    assert (status, out.count("\n")) == (2, 1)
    assert out.startswith(f"model: {tmp_path / 'model.pth'} (official; sha256 {sha256(DATA)[:16]}...)")
    assert "bench: 1 of 2 could not be fetched: gone" in err
    status, out, _ = run("list", "--folder", tmp_path, "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert (status, list(rows)) == (0, list(OFFERS))
    assert rows["model"]["present"]
    assert not rows["inception"]["present"]
    status, _, err = run("get", "modle", "--folder", tmp_path)
    assert status == 2
    assert "there are no weights called 'modle' - did you mean 'model'?" in err


def test_what_a_package_was_converted_to_is_found_where_the_official_file_would_be(tmp_path: Path) -> None:
    for file in WEIGHT_FILES[:2]:
        assert file.names == OFFERS[file.offer].files
        (tmp_path / file.converted).write_bytes(b"damaged")
        with pytest.raises(UserError, match=rf"fetch it again with: bench weights get {file.offer}"):
            find_weight_file(file, folder=tmp_path)


@pytest.mark.parametrize("name", OFFERS)
def test_every_offer_is_checked_where_a_digest_is_known_and_files_never_collide(name: str) -> None:
    mine = OFFERS[name]
    assert mine.url.startswith("https://")
    assert re.fullmatch("[0-9a-f]{64}|", mine.sha256)
    assert not re.search("-[0-9a-f]{8}[.]pth", mine.file) or f"-{mine.sha256[:8]}." in mine.file
    others = {file for other in OFFERS.values() if other is not mine for file in other.files}
    assert not others & set(mine.files)
    if mine.package:
        assert len(mine.package.sha256) == 64
        assert len(mine.package.member_sha256) == (64 if mine.package.member else 0)
        assert len(mine.package.converted_sha256) == (64 if mine.package.converter else 0)
        assert not mine.package.converter or f"-{mine.package.converted_sha256[:8]}." in mine.package.file


def test_arrays_are_written_with_the_same_bytes_whatever_their_order(tmp_path: Path) -> None:
    member, wanted = ckpt()
    (tmp_path / "alexnet.ckpt").write_bytes(member)
    arrays = alexnet(tmp_path / "alexnet.ckpt")
    fetch.save_arrays(tmp_path / "a", arrays)
    fetch.save_arrays(tmp_path / "b", dict(reversed(arrays.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert all(np.array_equal(arrays[key], wanted[key]) for key in wanted)
