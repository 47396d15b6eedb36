"""Names that are orders to a terminal: whatever prints them shows their codes."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_texts import unseen
from small_datasets import small_dataset
from trials import Ended, Tally, bench, counts

from benchmark.engine.printing import VisibleStream, visible, visible_streams
from models.files import read_json, write_json

NAMES = (
    *(
        "\x1b[31mred",
        "\x1b]0;title\x07",
        "\x1b[2J",
        "\x1b[1A\x1b[2K",
        "\x1b]8;;http://x\x1b\\x",
        "\x9b31m",
        "\x90q\x9c",
    ),
    *("a\rb", "a\x08b", "a\x7fb", "a\x0bb", "a\x0cb", "\x00", "\x07", "\x1b", "\x85"),
    *("\u202egnp", "\u202d", "\u2066a\u2069", "\u2067", "\u200e", "\u200f", "\u061c"),
    *("\u200b", "\u200c", "\u200d", "\ufeff", "\u00ad", "\u2060", "\u2028", "\u2029"),
    *("\ud800", "\udcff", "\U000e0001", "\U000e007f", "\ufff9", "\ue000", "[bold red]x[/]", "[link=http://x]y"),
    *("\x1b[38;5;1mx\x1b[0m", "\x1bc", "\x1b(0", "\x1bP1$r\x1b\\"),
)
"""At least forty names with control characters, marks of direction, and what is not seen at all."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small dataset folder."""
    return small_dataset(tmp_path_factory.mktemp("terminal") / "data", rows=1)


def as_path(name: str) -> str:
    """Return a name as a file may have it."""
    return name.replace("\x00", "\x01").replace("\ud800", "\udc80").replace("/", "-")


def commands(data: Path, folder: Path, name: str) -> dict[str, Callable[[], Ended]]:
    """Return commands that meet a name: as an argument, as a file, inside of a file."""
    odd = folder / as_path(name)
    odd.mkdir()
    (odd / "photo.png").write_bytes(b"no picture")
    shutil.copy(odd / "photo.png", folder / f"{as_path(name)}.png")
    shutil.copytree(data, folder / "data")
    manifest = read_json(folder / "data" / "manifest.json", "manifest")
    manifest["quarantine"] = [{"key": name, "reason": name}]
    manifest["shards"][0]["file"] = f"data/{name}.parquet"
    write_json(folder / "data" / "manifest.json", manifest)
    (folder / "run").mkdir()
    write_json(
        folder / "run" / "run.json",
        {"recipe": {"name": name, "preset": name, "steps": 1}, "dataset": {"name": name, "digest": name}},
    )
    return {
        "verify": lambda: bench("verify", odd),
        "verify a manifest": lambda: bench("verify", folder / "data"),
        "runs": lambda: bench("runs", folder / "run"),
        "restore": lambda: bench("restore", odd, folder / "out", "--network", "nafnet"),
        "eval": lambda: bench("eval", "--data", odd, "--network", name),
        "inspect": lambda: bench("weights", "inspect", folder / f"{as_path(name)}.png"),
        "build": lambda: bench("build-dataset", "--source", f"custom={odd}", "--spec", name, "--out", folder / "o"),
        "export": lambda: bench("export", odd, folder / "o", "--layout", name),
        "command": lambda: bench(name or "-"),
        "captions": lambda: bench("check-captions", odd),
    }


@counts(2, len(NAMES))
def test_no_name_gives_orders_to_the_terminal(data: Path, tmp_path: Path, count: int) -> None:
    with Tally("names that are orders to a terminal") as tally:
        for number in range(count):
            name = NAMES[number * len(NAMES) // count]
            folder = tmp_path / str(number)
            folder.mkdir()
            for what, command in commands(data, folder, name).items():
                ended = command()
                raw = unseen(ended.out + ended.err) - {"\r"}
                tally.case(f"{what} {name!r}", not raw and ended.code is not None, f"{raw} {ended.err[-200:]}")


def test_every_unseen_character_is_shown_as_its_code_and_all_others_as_they_are() -> None:
    assert visible("a\tb\nc") == "a\tb\nc"
    assert visible("Grüße, 世界 – ∞ dB █ 🙂") == "Grüße, 世界 – ∞ dB █ 🙂"
    assert visible("\x1b[31m\x7f\x9b\u202e\ud800\U000e0001") == r"\x1b[31m\u007f\u009b\u202e\ud800\udb40\udc01"
    told = json.dumps({"name": "\x1b\x7f\x9b\u202e\U000e0001"}, ensure_ascii=False)
    assert json.loads(visible(told)) == json.loads(told)


def test_streams_are_put_back_and_bars_of_other_packages_may_return_to_the_start_of_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    below = io.StringIO()
    monkeypatch.setattr(sys, "stderr", below)
    monkeypatch.setattr(sys, "__stderr__", below)
    with visible_streams():
        with visible_streams():
            assert isinstance(sys.stderr, VisibleStream)
            assert sys.stderr.rich_proxied_file is below
        print("\r50 %\rx", end="", file=sys.stderr)
    assert sys.stderr is below
    assert below.getvalue() == "\r50 %\\x0dx"


def test_a_bar_and_a_table_take_brackets_and_orders_for_text(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmark.engine.progress import progress_bar
    from benchmark.report.terminal import print_table

    with progress_bar("[bold]\x1b[2J", 2) as tell:
        tell(1, "[/]\u202e")
        print("\x1b[1A", file=sys.stderr)
    print_table("[red]\x1b", ["[b]\x07"], [["[link=x]\u202e"]])
    told = capsys.readouterr()
    assert not unseen(told.out + told.err)
    assert r"[bold]\x1b[2J" in told.err
    assert r"\x1b[1A" in told.err
    assert all(text in told.out for text in (r"[red]\x1b", r"[b]\x07", r"[link=x]\u202e"))
