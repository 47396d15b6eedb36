"""One bit changed in what a run has written: the same result, or a sentence; never another result in silence."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from hostile_runs import made_daclip, made_run, photo
from training_runs import run, run_in_child, tiny_recipe
from trials import Ended, Tally, bench, counts, flips, try_flips

from benchmark.training.runs import read_run
from models.daclip.build import load_daclip
from models.errors import UserError
from models.files import sha256_file, write_sealed
from models.inference.loading import load_restorer
from models.training.callbacks import Callbacks
from models.training.checkpoint import checkpoint_files, digest_file
from models.training.recipe import Recipe
from models.weights.records import read_best


def digest_of(module: Any) -> str:
    """Return a digest of all numbers of a module."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()


@counts(40, 150)
def test_weights_of_a_finished_run(count: int, tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    clean = digest_of(load_restorer("nafnet", folder))
    with Tally("bits of the weights of a finished run") as tally:
        try_flips(
            tally,
            folder / "weights.safetensors",
            count,
            lambda: digest_of(load_restorer("nafnet", folder)),
            clean=clean,
        )


@counts(20, 120)
def test_the_manifest_of_a_finished_run(count: int, tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")

    def use() -> tuple[str, Any]:
        return digest_of(load_restorer("nafnet", folder)), read_run(folder)

    with Tally("bits of a run's manifest") as tally:
        try_flips(tally, folder / "manifest.json", count, use, clean=use())


@counts(20, 120)
@pytest.mark.parametrize("name", ["run.json", "best.json"])
def test_what_a_run_records_of_itself(name: str, count: int, tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    write_sealed(folder / "best.json", {"step": 2, "score": 21.5, "scores": {"psnr": 21.5}})
    clean = (read_run(folder), read_best(folder))
    with Tally(f"bits of a run's {name}") as tally:
        try_flips(tally, folder / name, count, lambda: (read_run(folder), read_best(folder)), clean=clean)


@counts(20, 120)
def test_a_daclip_that_weights_name(count: int, tmp_path: Path) -> None:
    from models.weights.daclip import recorded_daclip
    from models.weights.opened import open_weights

    file = made_daclip(tmp_path / "daclip" / "weights.safetensors")
    (tmp_path / "run").mkdir()
    metadata = {"daclip": {"file": "../daclip/weights.safetensors", "sha256": sha256_file(file)}}

    def use() -> str:
        return digest_of(load_daclip(recorded_daclip("x", tmp_path / "run" / "weights.safetensors", metadata)))

    assert use() == digest_of(load_daclip(open_weights(file)))
    with Tally("bits of a DA-CLIP that weights name") as tally:
        try_flips(tally, file, count, use, clean=use())


@counts(6, 100)
@pytest.mark.parametrize("name", ["gcanet/wacv_gcanet_dehaze.pth", "prenet/real_PReNet2.pth"])
def test_a_released_file_whose_digest_is_known(name: str, count: int, tmp_path: Path, shared: Path) -> None:
    file = tmp_path / Path(name).name
    shutil.copy(shared / "reference" / "weights" / name, file)
    image, network = photo(tmp_path / "in.png"), bench("weights", "inspect", file).out.split("network:")[1].split()[0]

    def use() -> Ended | str:
        ended = bench("restore", image, tmp_path / "out.png", "--network", network, "--weights", file, "--overwrite")
        if ended.code == 0 and "but its sha256 is another" in ended.err:
            return "told"
        return ended if ended.code != 0 else sha256_file(tmp_path / "out.png")

    clean = use()
    with Tally("bits of released weights whose digest is known") as tally:
        whole = file.read_bytes()
        for place, changed in flips(whole, count):
            file.write_bytes(changed)
            found = use()
            held = found in ("told", clean) or (isinstance(found, Ended) and found.refused)
            tally.case(f"{name} byte {place}", held, str(found)[-400:])


def interrupted(recipe: Recipe, out: Path) -> tuple[Path, ...]:
    """Train until a kill after step 8, with checkpoints of steps 3 and 6, and return them, the newest first."""

    def die(done: int) -> None:
        if done == 8:
            os.kill(os.getpid(), signal.SIGKILL)

    assert run_in_child(recipe, out, at_step=die) == -signal.SIGKILL
    return tuple(checkpoint_files(out))


@counts(6, 100)
@pytest.mark.parametrize("part", ["checkpoint", "digest", "run.json"])
def test_a_run_that_goes_on(part: str, count: int, tmp_path: Path) -> None:
    recipe = tiny_recipe("nafnet", "save_every=3", "keep=2", steps=9)
    run(recipe, tmp_path / "whole")
    clean = sha256_file(tmp_path / "whole" / "weights.safetensors")
    newest, _ = interrupted(recipe, tmp_path / "killed")
    name = {"checkpoint": newest.name, "digest": digest_file(newest).name, "run.json": "run.json"}[part]
    with Tally(f"bits of what a run goes on from: {part}") as tally:
        for place, changed in flips((tmp_path / "killed" / name).read_bytes(), count):
            out, said = tmp_path / "trial", []
            shutil.copytree(tmp_path / "killed", out)
            (out / name).write_bytes(changed)
            try:
                run(recipe, out, callbacks=Callbacks(say=said.append))
                held = sha256_file(out / "weights.safetensors") == clean
                # What was damaged is told, though the run before it is as good.
                held = held and (part == "run.json" or any("cannot be read" in sentence for sentence in said))
                tally.case(f"{name} byte {place}", held, f"silently another: {said}")
            except UserError as error:
                tally.case(f"{name} byte {place}", bool(str(error)))
            shutil.rmtree(out)


def test_checkpoints_of_earlier_versions_are_taken_with_a_sentence(tmp_path: Path) -> None:
    recipe, said = tiny_recipe("nafnet", "save_every=3", "keep=2", steps=9), []
    run(recipe, tmp_path / "whole")
    for file in interrupted(recipe, tmp_path / "killed"):
        digest_file(file).unlink()
    run(recipe, tmp_path / "killed", callbacks=Callbacks(say=said.append))
    assert any("has no digest beside it" in sentence for sentence in said)
    digests = [sha256_file(tmp_path / kind / "weights.safetensors") for kind in ("whole", "killed")]
    assert digests[0] == digests[1]
    assert not list((tmp_path / "killed").glob("checkpoint-*"))


def test_runs_of_other_kinds_are_told_in_a_sentence(tmp_path: Path) -> None:
    with Tally("records of runs of other kinds") as tally:
        for name in ("manifest.json", "run.json", "best.json"):
            for text in ("[]", "{}", "null", "1", '"x"', "", "{", '{"run": []}', '{"seal": 1}', "[" * 100_000, "\0"):
                folder = made_run(tmp_path / f"run-{tally.tried}")
                (folder / name).write_text(text)
                tally.case(f"{name} = {text[:20]}", bench("runs", folder).refused, str(bench("runs", folder))[-300:])
                if name == "manifest.json":
                    ended = bench("restore", photo(tmp_path / "in.png"), tmp_path / "o.png", "--weights", folder)
                    tally.case(f"restore, {name} = {text[:20]}", ended.refused, str(ended)[-300:])


def test_damaged_lines_of_the_log_are_told(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    (folder / "events.jsonl").write_bytes(
        b'{"step": 1, "loss": 2.0}\n{"step": 2, "lo\xff\n{"step": 3, "loss": 1.0}\n{"st'
    )
    facts = read_run(folder)
    assert facts.series("loss") == ([1, 3], [2.0, 1.0])
    assert facts.damaged == 1
    ended = bench("runs", folder)
    assert ended.code == 0
    assert "1 damaged lines are left out" in ended.err
