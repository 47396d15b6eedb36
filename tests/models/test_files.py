"""Files that are whole or absent, sealed JSON, and places that names out of data may mean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.errors import UserError
from models.files import below, read_json, read_sealed, sealed, sweep_partials, write_sealed, write_text

ESCAPES = (
    "../x", "a/../../x", "/tmp/x", "..", ".", "", "a//b", "a/", "/", "~root/../x", "a/./b", ".ssh/authorized_keys",
    "..\\x", "a\\..\\..\\x", "C:\\x", "a\x00b", "a\nb", "\x1b[2Jx", "a/..", "\u202egnp.x", "x" * 256, ".lock",
)  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES, ids=ascii)
def test_a_name_out_of_data_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be used as a place below"):
        below(tmp_path, name)


@pytest.mark.parametrize(
    "name", ["a", "a/b.png", "motion-blurry/GOPR 0372_07_00/0001", "夏/ü.png", "a..b", "3.05\u202fPM"]
)
def test_an_ordinary_name_is_a_place_below_the_folder(tmp_path: Path, name: str) -> None:
    assert below(tmp_path, name) == tmp_path / name


def test_a_link_in_the_folder_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "inner").mkdir()
    (tmp_path / "out" / "away").symlink_to(tmp_path)
    (tmp_path / "out" / "file").symlink_to(tmp_path / "secret")
    (tmp_path / "out" / "here").symlink_to(tmp_path / "out" / "inner")
    for name in ("away/x", "file"):
        with pytest.raises(UserError, match="by a link"):
            below(tmp_path / "out", name)
    assert below(tmp_path / "out", "here/x") == tmp_path / "out" / "here" / "x"


def test_a_change_of_any_byte_of_a_sealed_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    value = {"psnr": 26.530000000000001, "n": [1, 2], "name": "ö", "nested": {"x": None, "y": (True, "z")}}
    write_sealed(path, value)
    whole = path.read_bytes()
    assert read_sealed(path, "result", remedy="again") == json.loads(json.dumps(value))
    generator = np.random.default_rng(0)
    told = same = 0
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << generator.integers(8)
        path.write_bytes(bytes(changed))
        try:
            assert read_sealed(path, "result", remedy="again") == json.loads(json.dumps(value))
            same += 1  # a space became another one
        except UserError:
            told += 1
    assert told + same == len(whole)
    assert told > 0.8 * len(whole)


def test_a_file_without_a_seal_is_read_only_where_older_ones_are(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, '{"n": 1}')
    assert read_sealed(path, "result", required=False, remedy="again") == {"n": 1}
    with pytest.raises(UserError, match=r"has no seal.*again"):
        read_sealed(path, "result", remedy="again")
    assert sealed(sealed({"n": 1})) == sealed({"n": 1})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "list in place of an object"),
        ("null", "NoneType in place of an object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"a": 1, "a": 2}', "a key stands twice"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON"),
        ("", "not valid JSON"),
    ],
    ids=lambda value: value[:20],
)
def test_json_of_strangers_is_a_sentence_when_it_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=reason):
        read_json(tmp_path / "a.json", "result")


def test_temporary_files_of_killed_processes_are_swept_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom models.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('half')\n    print(partial.name, flush=True)\n"
        "    sys.stdin.read() if sys.argv[2] == 'live' else os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    def start(way: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / f"{way}.txt"), way],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    living, kept = start("live")
    killed, left = start("killed")
    killed.communicate()
    (tmp_path / ".other.txt.elsewhere-1.partial").write_text("of another machine, a moment ago")
    (tmp_path / ".old.txt.elsewhere-1.partial").write_text("of another machine, long ago")
    os.utime(tmp_path / ".old.txt.elsewhere-1.partial", (0, 0))
    assert {left, kept} <= {file.name for file in tmp_path.iterdir()}
    sweep_partials(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {kept, ".other.txt.elsewhere-1.partial"}
    living.communicate("")
    assert (tmp_path / "live.txt").read_text() == "half"


def test_a_file_gets_the_mode_that_the_user_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
