"""What `bench speed networks` measured, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.report.markdown import page
from benchmark.results.measurements import read_measurements
from benchmark.tables.view import ABSENT, number
from models.errors import UserError
from models.markdown import code, escape, table

FILES, PAGES = "speed/networks*.json", "speed/networks*.md"
"""Where a leaderboards folder keeps measurements and their pages."""

Entry = Mapping[str, Any]


def speed_pages(leaderboards: Path) -> dict[str, str]:
    """Return a page for each file of measurements, `{path below the folder: text}`.

    Raises:
        UserError: A file holds something else.
    """
    pages = {}
    for file in sorted(leaderboards.glob(FILES)):
        found = read_measurements(file)
        try:
            text = networks_markdown(found)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise UserError(
                f"{file} is not what bench speed networks --json writes ({type(error).__name__}: {error}): "
                "measure again, or remove it"
            ) from None
        pages[file.with_suffix(".md").relative_to(leaderboards).as_posix()] = text
    return pages


def networks_markdown(found: Mapping[str, Any]) -> str:
    """Return a page with a table of the networks that restore in one pass and one of the sampled ones."""
    machine, entries = found["machine"], found["networks"]
    sizes = sorted({size for entry in entries.values() for size in entry["sizes"]}, key=_area)
    single = {name: entry for name, entry in entries.items() if not _sampled(entry)}
    sampled = {name: entry for name, entry in entries.items() if _sampled(entry)}
    blocks = [_intro(machine, entries)]
    if single:
        blocks += ["## Networks that restore in one pass", _table(single, sizes, steps=False)]
    if sampled:
        blocks += [
            "## Sampled networks",
            "At most two steps were run and the rest added: an image takes as many steps as its authors use (NFE).",
            _table(sampled, sizes, steps=True),
        ]
    notes = _notes(entries)
    if notes:
        blocks.append("\n".join(notes))
    if refused := found.get("refused"):
        blocks += ["## Not measured", "\n".join(_refused(refused))]
    blocks += ["## How the rows were made", "\n".join(_births(entries))]
    return page("Speed and memory of the networks", blocks)


def _intro(machine: Mapping[str, Any], entries: Mapping[str, Entry]) -> str:
    rows = [row for entry in entries.values() for row in entry["sizes"].values()]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    loads = [row["load"] for row in rows]
    blocks = [
        f"{escape(machine['hardware'])}, {machine['threads']:d} threads; device {escape(machine['device'])}, "
        f"{escape(machine['precision'])}; {escape(versions)}. Random weights of the published architecture, one "
        "image at a time, each measurement in a fresh process: the median of up to 5 runs, of one where that took 10 "
        "seconds. Reading and writing files is left out, DA-CLIP's embeddings are not.",
        "Memory is the peak of the whole process, which holds "
        f"{min(row['held_memory_bytes'] for row in rows) / 1e6:.0f} MB before it sees an image"
        if machine["device"] == "cpu"
        else "Memory is the most that was allocated on the device, weights included",
    ]
    blocks[-1] += (
        f". Operations are those of a {_flops_size(entries)} image, a multiplication and its addition counted as two, "
        "all steps of a sampled network together."
    )
    allowed = {row["max_memory_bytes"] for row in rows}
    if len(allowed) == 1 and None not in allowed:
        blocks[-1] += (
            f" A process was allowed to hold {allowed.pop() / 2**20:.0f} MiB in all: an image that needs more is cut "
            "into tiles, or refused where a network has to see the whole image."
        )
    if max(loads) > machine["threads"] + 1:
        blocks[0] += (
            f" Other programs ran meanwhile (load {min(loads):.1f} to {max(loads):.1f}): times are upper bounds; "
            "processor time, summed over the threads, is disturbed less."
        )
    return " ".join(blocks)


def _flops_size(entries: Mapping[str, Entry]) -> str:
    sizes = {entry["flops_size"] for entry in entries.values() if entry.get("flops_size")}
    return escape(", ".join(sorted(sizes))) or ABSENT


def _table(entries: Mapping[str, Entry], sizes: Sequence[str], *, steps: bool) -> str:
    heads = ["Network", "Parameters (M)", *(["NFE"] if steps else []), "Operations (G)"]
    tiled = {size for entry in entries.values() for size, row in entry["sizes"].items() if row["tile"]}
    for size in sizes:
        told = escape(size)
        heads += [*([f"{told}: step (ms)"] if steps else []), f"{told}: image (ms)", "processor (ms)", "memory (MB)"]
        heads += ["tiles"] if size in tiled else []
    rows = []
    for name, entry in entries.items():
        cells = [code(name), _or_absent(entry["parameters"] / 1e6, digits=2)]
        cells += [f"{entry['nfe']:d}"] if steps else []
        cells.append(number(None if entry["flops"] is None else entry["flops"] / 1e9, digits=1))
        for size in sizes:
            cells += _cells(entry["sizes"].get(size), steps=steps, tiles=size in tiled)
        rows.append(cells)
    return table(heads, rows, numeric=[False, *[True] * (len(heads) - 1)])


def _cells(row: Mapping[str, Any] | None, *, steps: bool, tiles: bool) -> list[str]:
    if row is None:
        return [ABSENT] * (3 + steps + tiles)
    memory = f"{row['peak_memory_bytes'] / 1e6:.0f}"
    return [
        *([_milliseconds(row["step_seconds"])] if steps else []),
        _milliseconds(row["seconds"]),
        _milliseconds(row["processor_seconds"]),
        f"**{memory}**" if _too_much(row) else memory,
        *([_tiles(row)] if tiles else []),
    ]


def _tiles(row: Mapping[str, Any]) -> str:
    """Return how many tiles of which size there were, and of how many the time follows."""
    if not row["tile"]:
        return ABSENT
    run = f" ({row['tiles_done']:d} run)" if "tiles_done" in row else ""
    return f"{row['tiles']:d} of {escape(str(row['tile']))}{run}"


def _too_much(row: Mapping[str, Any]) -> bool:
    """Return whether a process held more than it was allowed to."""
    return row["max_memory_bytes"] is not None and row["peak_memory_bytes"] > row["max_memory_bytes"]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.{1 if seconds < 0.1 else 0}f}"


def _or_absent(value: float, *, digits: int) -> str:
    return number(value or None, digits=digits)


def _notes(entries: Mapping[str, Entry]) -> list[str]:
    notes = []
    listening = {entry["daclip_parameters"] for entry in entries.values() if "daclip_parameters" in entry}
    if listening:
        names = ", ".join(code(name) for name, entry in entries.items() if "daclip_parameters" in entry)
        counts = " or ".join(f"{count / 1e6:.1f}" for count in sorted(listening))
        notes.append(f"- DA-CLIP's {counts} million parameters are not in the table; they are needed by {names}.")
    rows = [row for entry in entries.values() for row in entry["sizes"].values()]
    if any("tiles_done" in row for row in rows):
        notes.append("- Where fewer tiles were run than there are, the time of the others follows from them.")
    if any(_too_much(row) for row in rows):
        notes.append("- Bold: more than the process was allowed to hold.")
    return notes


def _refused(refused: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        f"- {code(name)} at {escape(size)}: {escape(why)}."
        for name, sizes in refused.items()
        for size, why in sizes.items()
    ]


def _births(entries: Mapping[str, Entry]) -> list[str]:
    """Return a line for each command that made rows."""
    found: dict[tuple[str, str, str], int] = {}
    for entry in entries.values():
        for row in entry["sizes"].values():
            key = (row["command"], row["commit"] or "no commit", row["date"])
            found[key] = found.get(key, 0) + 1
    return [
        f"- {code(command)}: {count} row{'s' if count != 1 else ''} ({escape(commit)}, {escape(date)})"
        for (command, commit, date), count in found.items()
    ]


def _sampled(entry: Entry) -> bool:
    return any("step_seconds" in row for row in entry["sizes"].values())


def _area(size: str) -> tuple[int, str]:
    width, height = (int(side) for side in size.split("x"))
    return width * height, size
