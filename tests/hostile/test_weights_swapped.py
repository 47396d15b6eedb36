"""A weights file that changes while it is opened: what was digested is what was loaded, or a sentence."""

from __future__ import annotations

import os
import resource
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from eval_data import small_weights
from hostile_runs import made_daclip, made_run, metadata, photo, state_of
from trials import Tally, bench, counts

from models.errors import UserError
from models.files import sha256_file
from models.inference.loading import load_restorer
from models.releases import matching
from models.weights import opened
from models.weights.opened import OpenedWeights
from models.weights.saving import save_weights


def replaced(path: Path, other: Path) -> None:
    """Put another file in the place of one, as a download or a training does."""
    shutil.copy(other, path.with_name("coming"))
    os.replace(path.with_name("coming"), path)


def rewritten(path: Path, other: Path) -> None:
    """Write other bytes into a file, and give it back the time that it had."""
    times = path.stat()
    with open(path, "r+b") as file:
        file.write(other.read_bytes())
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def flipped_back(path: Path, other: Path) -> None:
    """Put another file in the place of one for the next reader alone."""
    kept = path.with_name("kept")
    os.replace(path, kept)
    shutil.copy(other, path)

    def back() -> None:
        os.replace(kept, path)

    threading.Timer(0.01, back).start()


WAYS = (replaced, rewritten, flipped_back)
MOMENTS = ("read_metadata", "read_checkpoint", "_digest_of_file", "fitted", "load_into")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("before", [True, False])
def test_a_file_swapped_at_any_moment_is_noticed(
    way: Callable[[Path, Path], None], moment: str, before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import models.inference.loading

    path = small_weights(tmp_path, "nafnet", seed=0).rename(tmp_path / "w.safetensors")
    other = small_weights(tmp_path, "nafnet", seed=1)
    first, second = (state_of("nafnet", seed=seed) for seed in (0, 1))
    digests = {sha256_file(path): first, sha256_file(other): second}
    where = {
        "fitted": models.inference.loading,
        "load_into": models.inference.loading,
        "_digest_of_file": OpenedWeights,
    }
    place = where.get(moment, opened)
    real, done = getattr(place, moment), []

    def hooked(*arguments: object, **options: object) -> object:
        if before and not done:
            done.append(way(path, other))
        found = real(*arguments, **options)
        if not before and not done:
            done.append(way(path, other))
        return found

    monkeypatch.setattr(place, moment, hooked)
    try:
        restorer = load_restorer("nafnet", path)
    except UserError as error:
        assert "changed while it was read" in str(error) or "went away" in str(error)  # noqa: PT017
    else:
        state = digests[str(restorer.weights_sha256)]
        assert all(value.equal(state[key]) for key, value in restorer.network.state_dict().items())
    assert done
    time.sleep(0.02)


@counts(10, 120)
def test_what_was_digested_was_loaded(count: int, tmp_path: Path) -> None:
    """Two files take turns in one place while it is opened over and over."""
    files = [small_weights(tmp_path, "nafnet", seed=seed) for seed in (0, 1)]
    states = {sha256_file(file): state_of("nafnet", seed=seed) for seed, file in enumerate(files)}
    place, stop = tmp_path / "place.safetensors", threading.Event()
    shutil.copy(files[0], place)
    generator = np.random.default_rng(0)

    def turn() -> None:
        number = 0
        while not stop.wait(float(generator.uniform(0.005, 0.08))):
            number += 1
            (rewritten if number % 3 == 0 else replaced)(place, files[number % 2])

    thread = threading.Thread(target=turn)
    thread.start()
    told = 0
    try:
        with Tally("weights that are swapped while they are opened") as tally:
            for number in range(count):
                try:
                    restorer = load_restorer("nafnet", place)
                except UserError as error:
                    told += 1
                    tally.case(f"{number}", "changed while" in str(error) or "went away" in str(error), str(error))
                    continue
                state = states.get(str(restorer.weights_sha256))
                held = state is not None and all(
                    value.equal(state[key]) for key, value in restorer.network.state_dict().items()
                )
                tally.case(f"{number}", held, "other numbers under a digest")
    finally:
        stop.set()
        thread.join()


def test_a_weights_file_is_read_once_and_digested_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made_run(tmp_path / "run")
    counted: dict[str, int] = {"read_metadata": 0, "read_checkpoint": 0, "_digest_of_file": 0}
    for name in counted:
        place = OpenedWeights if name == "_digest_of_file" else opened
        real = getattr(place, name)

        def counting(*arguments: object, _name: str = name, _real: Callable[..., object] = real, **options: object):
            counted[_name] += 1
            return _real(*arguments, **options)

        monkeypatch.setattr(place, name, counting)
    restorer = load_restorer("nafnet", run)
    assert restorer.weights_sha256 == sha256_file(run / "weights.safetensors")
    assert counted == {"read_metadata": 1, "read_checkpoint": 1, "_digest_of_file": 1}


def test_each_network_is_tried_once_on_weights_that_tell_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    torch.save(state_of("nafnet"), tmp_path / "net.pth")
    tried, real = [], matching.match

    def counting(network: str, state: object) -> object:
        tried.append(network)
        return real(network, state)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(matching, "match", counting)
    ended = bench("restore", photo(tmp_path / "in.png"), tmp_path / "o.png", "--weights", tmp_path / "net.pth")
    assert ended.code == 0, ended.err
    assert tried
    assert len(tried) == len(set(tried))


def test_the_daclip_that_was_loaded_is_told(tmp_path: Path) -> None:
    from small_models import ARCHS

    from models.networks.build import build

    daclip = made_daclip(tmp_path / "daclip" / "weights.safetensors")
    recorded = {"file": "../daclip/weights.safetensors", "sha256": sha256_file(daclip)}
    said = metadata() | {"network": "nafnet-daclip", "arch": ARCHS["nafnet-daclip"], "daclip": recorded}
    save_weights(tmp_path / "run" / "weights.safetensors", build("nafnet-daclip", said["arch"]).state_dict(), said)
    restorer = load_restorer("nafnet-daclip", tmp_path / "run")
    assert restorer.daclip_sha256 == sha256_file(daclip)
    assert restorer.weights_sha256 == sha256_file(tmp_path / "run" / "weights.safetensors")


def daclip_places(top: Path) -> dict[str, str]:
    """Return places that metadata may not name, by what is wrong with them."""
    outside = made_daclip(top / "far" / "away" / "daclip.safetensors")
    runs = top / "a" / "runs"
    (runs / "run").mkdir(parents=True)
    (runs / "linked").symlink_to(outside.parent)
    (runs / "run" / "link.safetensors").symlink_to(outside)
    os.mkfifo(runs / "run" / "pipe.safetensors")
    (runs / "run" / "zero.safetensors").symlink_to("/dev/zero")
    (runs / "run" / "folder.safetensors").mkdir()
    return {
        "absolute": str(outside),
        "two up": "../../far/away/daclip.safetensors",
        "up inside": "x/../../../far/away/daclip.safetensors",
        "linked folder": "../linked/daclip.safetensors",
        "linked file": "link.safetensors",
        "pipe": "pipe.safetensors",
        "device": "zero.safetensors",
        "absolute device": "/dev/zero",
        "folder": "folder.safetensors",
        "empty": "",
        "dot": ".",
        "up": "..",
        "deep": "a/b/c/d.safetensors",
        "nul": "a\0b",
        "long": "x" * 5000,
        "absent": "../daclip/weights.safetensors",
        "system": "/proc/self/mem",
    }


def test_a_daclip_elsewhere_is_not_opened(tmp_path: Path) -> None:
    from models.weights.daclip import recorded_daclip

    places = daclip_places(tmp_path)
    digest = sha256_file(tmp_path / "far" / "away" / "daclip.safetensors")
    with Tally("places of a DA-CLIP that metadata may not name") as tally:
        for what, place in places.items():
            named = {"daclip": {"file": place, "sha256": digest}}
            try:
                recorded_daclip("nafnet-daclip", tmp_path / "a" / "runs" / "run" / "weights.safetensors", named)
                tally.case(what, False, "opened")
            except UserError as error:
                tally.case(what, "--daclip" in str(error) or "as a file" in str(error) or "no file" in str(error))


def test_weights_that_are_no_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "weights.safetensors")
    image = photo(tmp_path / "in.png")
    with Tally("weights that are no files") as tally:
        for place in (
            *("/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem", "/proc/kmsg", "/proc/kcore", "/sys", "/proc"),
            *(tmp_path / name for name in ("pipe", "loop", "empty", "run", "absent", "x" * 300)),
        ):
            started = time.monotonic()
            ended = [
                bench("restore", image, tmp_path / "o.png", "--weights", place),
                bench("restore", image, tmp_path / "o.png", "--network", "nafnet", "--weights", place),
                bench("weights", "inspect", place),
                bench("weights", "convert", place, tmp_path / "o.safetensors"),
                bench("weights", "export", place, tmp_path / "o.pth"),
            ]
            quick = time.monotonic() - started < 5
            tally.case(f"{place}"[:60], quick and all(one.refused for one in ended), str(ended)[:800])


def test_sizes_that_files_claim_take_no_memory(tmp_path: Path) -> None:
    base = {"width": 8, "encoder_blocks": [1], "middle_blocks": 1, "decoder_blocks": [1]}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Tally("architectures that no tensors fill") as tally:
        for arch in (
            {**base, "width": 10**9},
            {**base, "width": 999_999},
            {**base, "middle_blocks": 10**9},
            {**base, "middle_blocks": 900_000},
            {**base, "encoder_blocks": [1] * 5_000, "decoder_blocks": [1] * 5_000},
            {**base, "width": -1},
            {**base, "width": 0},
            {**base, "width": 1.5},
            {**base, "width": "8"},
            {**base, "width": [8]},
            {**base, "width": None},
            {**base, "encoder_blocks": {"a": 1}},
            {"widht": 8},
            {},
        ):
            save_weights(tmp_path / "w.safetensors", state_of("nafnet"), metadata(arch=arch))
            image, file = photo(tmp_path / "in.png"), tmp_path / "w.safetensors"
            for ended in (
                bench("restore", image, tmp_path / "o.png", "--weights", file),
                bench("weights", "export", file, tmp_path / "o.pth"),
            ):
                tally.case(str(arch)[:60], ended.refused, str(ended)[-400:])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


def test_building_without_memory_draws_no_random_numbers() -> None:
    import torch
    from small_models import ARCHS, CLIP

    from models.daclip.skeleton import skeleton

    torch.manual_seed(0)
    before = torch.get_rng_state()
    for name in ("nafnet", "ir-sde-daclip", "maxim", "dehazeformer-t", "daclip"):
        arch = {"clip": CLIP} if name == "daclip" else ARCHS[name]
        skeleton(name, arch, tensors=1000)
        assert torch.equal(torch.get_rng_state(), before), name
