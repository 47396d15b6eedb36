"""Folders for the time being."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from benchmark.engine.scratch import scratch_folder

ROOT = Path(__file__).parents[3]


def test_folders_of_killed_processes_are_removed_and_those_of_living_ones_and_links_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys\nfrom benchmark.engine.scratch import scratch_folder\n"
        "with scratch_folder() as folder:\n"
        "    (folder / 'half').write_text('half')\n    print(folder, flush=True)\n    sys.stdin.read()\n"
    )
    place = tmp_path / "tmp"
    place.mkdir()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env={"TMPDIR": str(place)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    folders = []
    for process in started:
        assert process.stdout is not None
        folders.append(Path(process.stdout.readline().strip()))
    living, killed = started
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("mine")
    link = place / f"{folders[1].name}-link"
    link.symlink_to(kept)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with scratch_folder() as folder:
        assert set(place.iterdir()) == {folders[0], folder, link}
        assert folder.stat().st_mode & 0o777 == 0o700
    living.communicate("")
    assert set(place.iterdir()) == {link}
    assert (kept / "file").read_text() == "mine"
