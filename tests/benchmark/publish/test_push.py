"""Publishing: what a hub holds after a push, after a killed one, and what is said when it cannot be done."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import TOKEN, Fault, StandIn
from small_datasets import small_dataset, write_captions

from benchmark.cli import main
from benchmark.publish.hub import push as pushing

ROOT = Path(__file__).parents[3]
SHARDS = r"/storage/"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("push") / "dataset", sources=("gopro",), rows=8)


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "dataset"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the stand-in has LFS storage
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    server = StandIn()
    yield server
    server.close()


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the seconds that were waited for, without waiting."""
    seconds: list[float] = []
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda n: seconds.append(n) if n >= 0.5 else sleep(n))
    return seconds


def bench_push(folder: Path, hub: StandIn, *options: str, repo: str = "me/set") -> int:
    """Run the command; return its exit status."""
    try:
        main(["push", str(folder), repo, "--endpoint", hub.endpoint, *options])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the sentence of a refused command."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("bench: ")]
    assert len(lines) == 1, lines
    return lines[0]


def on_disk(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_hub_ends_with_the_bytes_of_the_folder_and_the_manifest_comes_last(folder: Path, hub: StandIn) -> None:
    write_captions(folder)
    assert bench_push(folder, hub) == 0
    assert hub.files("me/set") == on_disk(folder)
    assert hub.repos["me/set"].private
    history = [set(files) for _, files in hub.repos["me/set"].branches["main"]]
    assert history[-1] - history[-2] == {"manifest.json"}
    assert {"README.md", "croissant.json", "LICENSE.md", "captions/train.parquet"} <= history[-2]


def test_a_second_push_sends_nothing_and_new_captions_alone(folder: Path, hub: StandIn) -> None:
    assert bench_push(folder, hub) == 0
    commits, received = len(hub.repos["me/set"].branches["main"]), hub.received
    assert bench_push(folder, hub) == 0
    assert (len(hub.repos["me/set"].branches["main"]), hub.received) == (commits, received)
    write_captions(folder)
    assert bench_push(folder, hub) == 0
    assert hub.files("me/set") == on_disk(folder)
    assert hub.received - received == sum(path.stat().st_size for path in (folder / "captions").glob("*.parquet"))
    shutil.rmtree(folder / "captions")
    assert bench_push(folder, hub) == 0
    assert hub.files("me/set") == on_disk(folder)


def test_a_branch_of_its_own_is_made(folder: Path, hub: StandIn) -> None:
    assert bench_push(folder, hub, "--revision", "v2") == 0
    assert hub.files("me/set", "v2") == on_disk(folder)
    assert hub.files("me/set") == {}


def test_a_dry_run_changes_nothing(folder: Path, hub: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_push(folder, hub, "--dry-run") == 0
    assert hub.repos == {}
    count = len(on_disk(folder))
    assert f"would send {count} of {count} files" in capsys.readouterr().out
    assert bench_push(folder, hub) == 0
    requests = len(hub.requests)
    assert bench_push(folder, hub, "--dry-run") == 0
    assert f"would send 0 of {count} files" in capsys.readouterr().out
    assert {method for method, _ in hub.requests[requests:]} <= {"GET", "HEAD"}


def test_another_dataset_is_replaced_only_on_request(folder: Path, hub: StandIn, tmp_path: Path, capsys) -> None:
    other = small_dataset(tmp_path / "other", sources=("gopro",), rows=12, seed=1)
    assert bench_push(other, hub) == 0
    assert bench_push(folder, hub) == 2
    assert re.search(r"me/set already holds another dataset \(digest [0-9a-f]{16}, .*--replace", told(capsys))
    assert hub.files("me/set") == on_disk(other)
    before = len(hub.repos["me/set"].branches["main"])
    assert bench_push(folder, hub, "--replace") == 0
    assert hub.files("me/set") == on_disk(folder)
    for _, files in hub.repos["me/set"].branches["main"][before:-1]:
        assert "manifest.json" not in files


def test_a_repository_with_foreign_files_is_left_alone(folder: Path, hub: StandIn, capsys) -> None:
    hub.create("me/set", files={"README.md": b"hello", "data/mine.parquet": b"PAR1"})
    assert bench_push(folder, hub) == 2
    assert "holds files of something else (data/mine.parquet)" in told(capsys)
    assert hub.files("me/set") == {"README.md": b"hello", "data/mine.parquet": b"PAR1"}
    assert bench_push(folder, hub, "--replace") == 0
    assert hub.files("me/set") == on_disk(folder)


def test_a_file_that_the_owner_added_stays(folder: Path, hub: StandIn) -> None:
    assert bench_push(folder, hub) == 0
    history = hub.repos["me/set"].branches["main"]
    history.append(("f" * 40, {**history[-1][1], "figure.png": b"png", ".gitignore": b"*.parquet"}))
    write_captions(folder)
    assert bench_push(folder, hub) == 0
    assert hub.files("me/set") == {**on_disk(folder), "figure.png": b"png"}


def test_a_push_that_meets_somebody_elses_commit_goes_on_top_of_it(folder: Path, hub: StandIn, naps) -> None:
    hub.faults = [Fault("POST", "/commit/", 412, times=1), Fault("POST", "/commit/", 409, times=1)]
    assert bench_push(folder, hub) == 0
    assert hub.files("me/set") == on_disk(folder)
    assert naps == [1.0, 2.0]


def test_another_dataset_that_appears_meanwhile_is_not_overwritten(
    folder: Path, hub: StandIn, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(pushing, "COMMIT_FILES", 1)
    whole = pushing.Hub.commit

    def interfere(self, message: str, *args, **kwargs):  # somebody else's push between two commits
        if message.startswith("Data, part 2"):
            history = hub.repos["me/set"].branches["main"]
            history.append(("e" * 40, {**history[-1][1], "manifest.json": b'{"digest": "theirs"}'}))
        return whole(self, message, *args, **kwargs)

    monkeypatch.setattr(pushing.Hub, "commit", interfere)
    assert bench_push(folder, hub) == 2
    assert "somebody else pushed another dataset to me/set meanwhile" in told(capsys)
    assert hub.files("me/set")["manifest.json"] == b'{"digest": "theirs"}'


def test_publicly_only_what_may_be_passed_on(hub: StandIn, tmp_path: Path, capsys) -> None:
    held = small_dataset(tmp_path / "held", sources=("gopro", "lol"), rows=1)
    assert bench_push(held, hub, "--public") == 2
    sentence = told(capsys)
    assert "LOL: research use" in sentence
    assert "GoPro" not in sentence
    assert hub.requests == []
    assert bench_push(held, hub, "--public", "--i-have-the-rights") == 0
    assert not hub.repos["me/set"].private


def test_visibility_is_never_changed_by_accident(folder: Path, hub: StandIn, capsys) -> None:
    hub.create("me/open", private=False)
    assert bench_push(folder, hub, repo="me/open") == 2
    assert "me/open is public: add --public" in told(capsys)
    assert hub.files("me/open") == {}
    assert bench_push(folder, hub) == 0
    assert bench_push(folder, hub, "--public") == 0
    assert not hub.repos["me/set"].private


def test_a_shard_that_changed_since_the_build_is_not_sent(folder: Path, hub: StandIn, capsys) -> None:
    shard = next((folder / "data").glob("train-*.parquet"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(bytes(data))
    assert bench_push(folder, hub) == 2
    assert re.search(rf"{shard.name} is no longer what the build wrote", told(capsys))
    assert hub.repos == {}
    assert bench_push(folder, hub, "--no-verify") == 2
    assert f"does not hold data/{shard.name} with the bytes" in told(capsys)
    assert "manifest.json" not in hub.files("me/set")


@pytest.mark.slow
def test_a_killed_push_continues_where_it_stopped(hub: StandIn, tmp_path: Path) -> None:
    folder = small_dataset(tmp_path / "dataset", sources=("gopro",), rows=40)
    script = (
        "import sys\nfrom benchmark.publish.hub import push\npush.COMMIT_FILES = 1\n"
        "from benchmark.cli import main\nmain(sys.argv[1:])"
    )
    command = [sys.executable, "-c", script, "push", str(folder), "me/set", "--endpoint", hub.endpoint]
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN}
    for stop in (1, 3, 5):
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(hub.storage) < stop:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if "me/set" in hub.repos:
            assert "manifest.json" not in hub.files("me/set")
    assert 5 <= len(hub.storage) < len(list((folder / "data").iterdir()))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert hub.files("me/set") == on_disk(folder)
    assert hub.received == sum(path.stat().st_size for path in (folder / "data").iterdir())


def test_two_pushes_of_one_folder_at_once_are_refused(folder: Path, hub: StandIn, capsys) -> None:
    from models.files import single_writer

    with single_writer(folder):
        assert bench_push(folder, hub) == 2
    assert "another process is writing" in told(capsys)
