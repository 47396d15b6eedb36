"""How long every network takes for an image, and in how much memory: each measurement in a fresh process."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmark.engine.children import isolated
from benchmark.results.measurements import SCHEMA, read_measurements
from benchmark.results.provenance import birth_certificate
from benchmark.speed.network_call import Call, encoded
from models.errors import UserError
from models.files import single_writer, write_sealed
from models.inference.restore import Precision
from models.networks import NETWORKS
from models.networks.find import SPANDREL, find_network

SIZES = ("256x256", "1280x720")
LARGEST_SIDE = 16384

Progress = Callable[[int, str], None]


def networks_speed(
    *,
    names: Sequence[str] | None = None,
    sizes: Sequence[str] = SIZES,
    device: str = "cpu",
    precision: Precision = "fp32",
    max_memory: int | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, note: None,
) -> dict[str, Any]:
    """Measure networks in their published size with random weights.

    The file is rewritten after every measurement, so a run that was killed continues where it was, and a finished one
    can be extended by further networks or sizes.

    Arguments:
        names: Networks of the catalogue, or `package.module:factory`; None for the whole catalogue, or those of it that
            compute in this precision.
        sizes: Sizes of the image, such as "1280x720" (width and height).
        device: Where they run.
        precision: What they compute in.
        max_memory: Bytes that a process may use: larger images are cut into tiles; None for whole images.
        out: A JSON file; None to keep nothing.
        overwrite: Whether to measure again what the file holds.
        progress: Called with the number of measurements done and the network that is next.

    Returns:
        What the file holds: `machine`, `networks` with parameters, operations and a row for each size, and `refused`,
        for each network the sizes that could not be measured and why. Besides, `summary`, and `missing` with what could
        not be measured this time.

    Raises:
        UserError: A name, size or device is not possible, or the file holds measurements of another machine.
    """
    chosen = chosen_names(names, precision)
    widths = [parse_size(size) for size in sizes]
    machine = machine_of(device, precision)
    with single_writer(out.parent) if out is not None else nullcontext():
        found = _there(out, machine, overwrite=overwrite)
        birth = birth_certificate()
        born = {key: birth[key] for key in ("commit", "command", "date")}
        missing: list[str] = []
        # Size by size: every network has a number before the large images take their time.
        jobs = [(name, size) for size in zip(sizes, widths, strict=True) for name in chosen]
        for done, (name, (size, sides)) in enumerate(jobs):
            progress(done, f"{name} {size}")
            known = found["networks"].get(name, {})
            row = known.get("sizes", {}).get(size)
            if row is not None and row["max_memory_bytes"] == max_memory and not overwrite:
                continue
            flops = "flops" not in known or (overwrite and size == sizes[0])
            call = Call(name=name, size=sides, device=device, precision=precision, max_memory=max_memory, flops=flops)
            measured = measured_apart(call)
            found["refused"] = _refusals(found["refused"], name, size, measured.get("refused"))
            if "refused" in measured:
                missing.append(f"{name} at {size}: {measured['refused']}")
                _keep(out, found)
                continue
            row = {**measured.pop("row"), **born}
            entry = {"title": find_network(name).title, **known, **measured}
            entry["sizes"] = _ordered({**known.get("sizes", {}), size: row}, key=parse_size)
            found["networks"] = _ordered({**found["networks"], name: entry}, key=_place)
            _keep(out, found)
        progress(len(jobs), "")
    lines = [summary(name, size, found["networks"][name]) for name, (size, _) in jobs if _has(found, name, size)]
    return {**found, "summary": lines, "missing": missing}


def chosen_names(names: Sequence[str] | None, precision: str) -> list[str]:
    """Return the networks to measure: those named, else all of the catalogue that compute in a precision.

    Raises:
        UserError: There is no such network.
    """
    if names is None:
        return [card.name for card in NETWORKS.values() if precision in ("fp32", *card.half)]
    for name in names:
        if name == SPANDREL:
            raise UserError(f"network {SPANDREL!r} has no size of its own: name a network of bench list networks")
        find_network(name)
    return list(dict.fromkeys(names))


def parse_size(text: str) -> tuple[int, int]:
    """Turn "1280x720" into (1280, 720).

    Raises:
        UserError: It is no width and height.
    """
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
    if match is None or max(map(int, match.groups())) > LARGEST_SIDE:
        raise UserError(f"{text!r} is no size: write width and height, at most {LARGEST_SIDE}, such as 1280x720")
    return int(match[1]), int(match[2])


def machine_of(device: str, precision: str) -> dict[str, Any]:
    """Return what measurements of one file have in common: processor, threads, device, precision and versions.

    Raises:
        UserError: There is no such device.
    """
    import torch

    from benchmark.results.provenance import hardware, versions

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(f"device {device!r} cannot be used here ({reason}): give cpu or cuda") from None
    found = versions()
    return {
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        "device": device,
        "precision": precision,
        "versions": {name: found[name] for name in ("python", "torch", "torchvision")},
    }


def measured_apart(call: Call) -> dict[str, Any]:
    """Measure one network in a fresh process and return what `network_call.measure` returns, or why it is `refused`."""
    code = "from benchmark.speed.network_call import report; report(sys.argv[1])"
    done = subprocess.run(isolated(code, encoded(call)), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if done.returncode < 0:
        return {
            "refused": f"the process was ended by signal {-done.returncode}, as it is when there is too little memory: "
            "give --max-memory, so that the image is cut into tiles"
        }
    lines = done.stderr.strip().splitlines()
    return {"refused": f"the process failed: {lines[-1] if lines else f'exit code {done.returncode}'}"}


def summary(name: str, size: str, entry: dict[str, Any]) -> str:
    """Return one measurement as a line."""
    row = entry["sizes"][size]
    step = f" ({entry['nfe']} steps of {1000 * row['step_seconds']:.1f} ms)" if "step_seconds" in row else ""
    run = f", {row['tiles_done']} of which were run" if "tiles_done" in row else ""
    tiles = f", {row['tiles']} tiles of {row['tile']}{run}" if row["tile"] else ""
    return (
        f"{name}: {size}: {1000 * row['seconds']:.1f} ms an image{step}, processor "
        f"{1000 * row['processor_seconds']:.1f} ms, peak memory {row['peak_memory_bytes'] / 1e6:.0f} MB{tiles}"
    )


def _there(out: Path | None, machine: dict[str, Any], *, overwrite: bool) -> dict[str, Any]:
    """Return what a file holds of this machine."""
    new = {"schema": SCHEMA, "what": "networks", "weights": "random", "machine": machine, "networks": {}, "refused": {}}
    if out is None or not out.is_file():
        return new
    if overwrite and not _readable(out):
        return new
    found = read_measurements(out)
    if all(found.get(key) == new[key] for key in new if key not in ("networks", "refused")):
        return {**new, **found}
    if overwrite:
        return new
    raise UserError(
        f"{out} holds measurements of another machine, device, precision or version: choose another --json, or give "
        "--overwrite to start anew"
    )


def _readable(out: Path) -> bool:
    try:
        read_measurements(out)
    except UserError:
        return False
    return True


def _keep(out: Path | None, found: dict[str, Any]) -> None:
    """Write what was measured, if anything was."""
    if out is not None and found["networks"]:
        write_sealed(out, found)


def _refusals(refused: dict[str, Any], name: str, size: str, why: str | None) -> dict[str, Any]:
    """Return the refusals with one more, or with one less if there was no reason to refuse this time."""
    sizes = {key: value for key, value in refused.get(name, {}).items() if key != size}
    sizes |= {} if why is None else {size: why}
    others = {key: value for key, value in refused.items() if key != name}
    return _ordered({**others, name: _ordered(sizes, key=parse_size)} if sizes else others, key=_place)


def _has(found: dict[str, Any], name: str, size: str) -> bool:
    return size in found["networks"].get(name, {}).get("sizes", {})


def _place(name: str) -> tuple[int, str]:
    known = list(NETWORKS)
    return (known.index(name), "") if name in known else (len(known), name)


def _ordered(mapping: dict[str, Any], *, key: Callable[[str], Any]) -> dict[str, Any]:
    keys: Iterable[str] = sorted(mapping, key=key)
    return {name: mapping[name] for name in keys}
