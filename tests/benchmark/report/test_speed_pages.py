"""What `bench speed networks` measured is shown as it is, on a page of the leaderboards."""

from __future__ import annotations

import json
from pathlib import Path

from measured_networks import measured

from benchmark.report.leaderboard import generate, stale, write
from benchmark.report.speed_networks import networks_markdown


def test_the_page_tells_sampled_networks_apart_and_marks_tiles() -> None:
    page = networks_markdown(measured(tile="512x512", tiles=6, max_memory_bytes=4 * 2**30))
    assert "| `nafnet` |           2.50 |           34.0 |                1500 |           2750 |        1500 |" in page
    assert "| 1280x720: image (ms) | processor (ms) | memory (MB) |        tiles |" in page
    assert "1500 | 6 of 512x512 |" in page
    assert "tiles" not in page.partition("## Sampled networks")[2]
    assert "Bold" not in page
    some = networks_markdown(measured(tile="512x512", tiles=6, tiles_done=2, max_memory_bytes=4 * 2**30))
    assert "1500 | 6 of 512x512 (2 run) |" in some
    assert "- Where fewer tiles were run than there are" in some
    assert "| `wild-ir` |           2.50 | 100 |           34.0 |               15.0 |                1500 |" in page
    assert "DA-CLIP's 252.0 million parameters are not in the table; they are needed by `wild-ir`" in page
    assert "- `bench speed networks`: 3 rows (abc, 2024-05-01)" in page
    assert "Other programs" not in page
    assert "Other programs ran meanwhile (load 1.0 to 7.5)" in networks_markdown(measured(load=7.5))


def test_the_page_tells_what_was_refused_and_what_took_more_than_it_was_allowed_to() -> None:
    found = measured(max_memory_bytes=2**30)
    page = networks_markdown(found)
    assert "**1500** |" in page
    assert "- Bold: more than the process was allowed to hold." in page
    assert "Not measured" not in page
    assert "allowed to hold 1024 MiB in all" not in page
    for entry in found["networks"].values():
        entry["sizes"] = {size: {**row, "max_memory_bytes": 2**30} for size, row in entry["sizes"].items()}
    assert "allowed to hold 1024 MiB in all" in networks_markdown(found)
    found["refused"] = {"gcanet": {"1280x720": "1024 MiB do not suffice"}}
    assert "## Not measured\n\n- `gcanet` at 1280x720: 1024 MiB do not suffice.\n" in networks_markdown(found)


def test_the_leaderboard_holds_a_page_for_each_file_of_measurements(tmp_path: Path) -> None:
    write(tmp_path)
    assert "Speed" not in (tmp_path / "README.md").read_text()
    file = tmp_path / "speed" / "networks-gpu.json"
    file.parent.mkdir()
    file.write_text(json.dumps(measured()))
    page = file.with_suffix(".md")
    assert stale(tmp_path) == [tmp_path / "README.md", page]
    assert sorted(write(tmp_path)) == [tmp_path / "README.md", page]
    assert stale(tmp_path) == []
    assert page.read_text() == networks_markdown(measured()) == generate(tmp_path)["speed/networks-gpu.md"]
    assert "[networks-gpu](speed/networks-gpu.md)" in (tmp_path / "README.md").read_text()
    page.write_text("edited")
    assert stale(tmp_path) == [page]
    file.unlink()
    write(tmp_path)
    assert not page.exists()
