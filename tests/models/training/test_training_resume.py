"""A run that is killed, stopped or damaged ends with the bits of one that is not."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from training_runs import run, run_in_child, tiny_recipe

from models.errors import UserError
from models.files import sha256_file, write_json
from models.training.callbacks import Callbacks
from models.training.checkpoint import checkpoint_files, write_checkpoint
from models.training.recipe import Recipe
from models.weights.records import read_description

WITH_ALL = ("ema={decay: 0.9, every: 2}", "clip_norm=0.5", "schedule.warmup_steps=3", "save_every=3", "keep=2")


def die(number: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), number)


def at(step: int, number: int = signal.SIGKILL):
    return lambda done: die(number) if done == step else None


def digest(out: Path) -> str:
    return sha256_file(out / "weights.safetensors")


def small(name: str, *more: str) -> Recipe:
    return tiny_recipe(name, *WITH_ALL, *more, steps=12)


@pytest.mark.long
@pytest.mark.parametrize("name", ["nafnet", "daclip", "ir-sde"])
def test_twenty_kills_at_random_steps_change_nothing(name: str, tmp_path: Path) -> None:
    recipe, generator = small(name), random.Random(0)
    run(recipe, tmp_path / "whole")
    for trial in range(20):
        out, reached = tmp_path / f"trial-{trial}", 0
        for _ in range(generator.randint(1, 2)):
            step = generator.randint(1, 11)
            # A step before the newest checkpoint is not passed again.
            killed = run_in_child(recipe, out, at_step=at(max(step, reached + 1)))
            assert killed == -signal.SIGKILL
            reached = max([int(file.stem.split("-")[1]) for file in checkpoint_files(out)], default=0)
            assert not (out / "manifest.json").exists()
        run(recipe, out)
        assert digest(out) == digest(tmp_path / "whole"), f"trial {trial}"


@pytest.mark.parametrize("step", [2, 7])
def test_a_killed_run_ends_with_the_same_bits(step: int, tmp_path: Path) -> None:
    recipe = small("nafnet")
    run(recipe, tmp_path / "whole")
    assert run_in_child(recipe, tmp_path / "killed", at_step=at(step)) == -signal.SIGKILL
    run(recipe, tmp_path / "killed")
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")
    lines = [(tmp_path / kind / "events.jsonl").read_text().splitlines() for kind in ("whole", "killed")]
    losses = [[line.split('"lr"')[0] for line in text if '"loss"' in line] for text in lines]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 12


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_run_goes_on_from_there(number: int, tmp_path: Path) -> None:
    recipe = small("nafnet")
    run(recipe, tmp_path / "whole")
    assert run_in_child(recipe, tmp_path / "stopped", at_step=at(5, number)) == 1
    assert checkpoint_files(tmp_path / "stopped")[0].name == "checkpoint-000000005.pt"
    assert run_in_child(recipe, tmp_path / "stopped", at_step=at(4)) == 0
    assert digest(tmp_path / "stopped") == digest(tmp_path / "whole")


def test_a_kill_inside_a_save_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    recipe, save = small("nafnet"), torch.save
    run(recipe, tmp_path / "whole")

    def half(state: object, path: Path) -> None:
        save(state, path)
        if isinstance(state, dict) and state["step"] == 6:
            os.truncate(path, path.stat().st_size // 2)
            die()

    def patch() -> None:
        torch.save = half  # pyright: ignore[reportAttributeAccessIssue]

    out = tmp_path / "killed"
    assert run_in_child(recipe, out, before=patch) == -signal.SIGKILL
    assert [file.name for file in checkpoint_files(out)] == ["checkpoint-000000003.pt"]
    assert list(out.glob(".checkpoint-*.partial"))
    run(recipe, out)
    assert digest(out) == digest(tmp_path / "whole")
    assert not list(out.glob(".checkpoint-*"))


def test_a_full_disk_leaves_the_checkpoint_before_and_says_so(tmp_path: Path) -> None:
    recipe, out, said = small("nafnet"), tmp_path / "full", tmp_path / "said"
    run(recipe, tmp_path / "whole")

    def fill(done: int) -> None:
        if done == 4:
            # The limit on the size of a file makes writing fail as a full disk does, at a place of our choosing.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    child = os.fork()
    if child == 0:
        try:
            run(recipe, out, callbacks=Callbacks(progress=lambda done, note: fill(done)))
        except UserError as error:
            said.write_text(str(error))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert "checkpoint-000000006.pt could not be written" in said.read_text()
    assert "make room on the disk" in said.read_text()
    assert [file.name for file in checkpoint_files(out)] == ["checkpoint-000000003.pt"]
    assert [file.name for file in sorted(out.glob("*checkpoint-*"))] == [
        "checkpoint-000000003.json",
        "checkpoint-000000003.pt",
    ]
    run(recipe, out)
    assert digest(out) == digest(tmp_path / "whole")


def test_a_kill_between_digest_and_checkpoint_leaves_the_one_before(tmp_path: Path) -> None:
    recipe, out = small("nafnet"), tmp_path / "killed"
    run(recipe, tmp_path / "whole")

    def patch() -> None:
        replace = os.replace

        def dies(source: Path, target: Path) -> None:
            if Path(target).name == "checkpoint-000000006.pt":
                die()
            replace(source, target)

        os.replace = dies

    assert run_in_child(recipe, out, before=patch) == -signal.SIGKILL
    assert (out / "checkpoint-000000006.json").exists()
    assert [file.name for file in checkpoint_files(out)] == ["checkpoint-000000003.pt"]
    run(recipe, out)
    assert digest(out) == digest(tmp_path / "whole")
    assert not list(out.glob("*checkpoint-*"))


def test_a_run_begun_with_other_inputs_is_another_run(tmp_path: Path) -> None:
    recipe, said = small("nafnet"), []
    assert run_in_child(recipe, tmp_path / "a", at_step=at(5), inputs={"captions_train_sha256": "1"}) == -signal.SIGKILL
    with pytest.raises(UserError, match=r"another run \(inputs captions_train_sha256: '1' there, '2' wanted\)"):
        run(recipe, tmp_path / "a", inputs={"captions_train_sha256": "2"})
    manifest = run(recipe, tmp_path / "a", inputs={"captions_train_sha256": "1"})
    assert manifest["run"]["inputs"] == {"captions_train_sha256": "1"}
    run(recipe, tmp_path / "whole")
    assert digest(tmp_path / "a") == digest(tmp_path / "whole")  # the weights say what they said before
    # A run that an earlier version began goes on, and it is said what is not compared.
    assert run_in_child(recipe, tmp_path / "b", at_step=at(5)) == -signal.SIGKILL
    described = read_description(tmp_path / "b")
    write_json(tmp_path / "b" / "run.json", described)
    callbacks = Callbacks(say=said.append)
    run(recipe, tmp_path / "b", inputs={"captions_train_sha256": "1"}, callbacks=callbacks)
    assert digest(tmp_path / "b") == digest(tmp_path / "whole")
    assert any("did not record captions_train_sha256" in sentence for sentence in said)
    assert not any("checkpoint" in sentence for sentence in said)


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_taken(tmp_path: Path) -> None:
    recipe, said, out = small("nafnet"), [], tmp_path / "killed"
    run(recipe, tmp_path / "whole")
    run_in_child(recipe, out, at_step=at(8))
    newest, _ = checkpoint_files(out)
    os.truncate(newest, newest.stat().st_size // 2)
    run(recipe, out, callbacks=Callbacks(say=said.append))
    assert digest(out) == digest(tmp_path / "whole")
    assert any("checkpoint-000000006.pt cannot be read" in sentence for sentence in said)
    run_in_child(recipe, tmp_path / "again", at_step=at(5))
    (file,) = checkpoint_files(tmp_path / "again")
    file.write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"no checkpoint in .* can be read"):
        run(recipe, tmp_path / "again")


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in range(1, 6):
        write_checkpoint(tmp_path, {"step": step}, keep=2)
    assert [file.name for file in checkpoint_files(tmp_path)] == ["checkpoint-000000005.pt", "checkpoint-000000004.pt"]


def test_other_data_are_refused_and_another_pace_of_the_log_is_not(tmp_path: Path) -> None:
    recipe = small("nafnet")
    run_in_child(recipe, tmp_path / "run", at_step=at(5))
    with pytest.raises(UserError, match="holds another run \\(recipe seed: 0 there, 1 wanted\\)"):
        run(small("nafnet", "seed=1"), tmp_path / "run")
    run(recipe, tmp_path / "whole")
    slower = Recipe.model_validate(recipe.model_dump() | {"log_every": 4, "spike": None, "keep": 1})
    run(slower, tmp_path / "run")
    from models.weights.opened import load_state

    weights = [load_state(tmp_path / kind / "weights.safetensors") for kind in ("run", "whole")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


@pytest.mark.parametrize("kind", ["adam", "nadam", "radam", "sgd", "rmsprop"])
def test_every_optimiser_is_resumed(kind: str, tmp_path: Path) -> None:
    recipe = tiny_recipe("nafnet", f"optimizer.kind={kind}", "optimizer.momentum=0.5", "save_every=2", steps=5)
    run(recipe, tmp_path / "whole")
    assert run_in_child(recipe, tmp_path / "killed", at_step=at(3)) == -signal.SIGKILL
    run(recipe, tmp_path / "killed")
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")


@pytest.mark.long
def test_kills_at_any_moment_change_nothing(tmp_path: Path) -> None:
    recipe, generator = small("nafnet", "save_every=1"), random.Random(1)
    started = time.perf_counter()
    run_in_child(recipe, tmp_path / "whole")
    took = time.perf_counter() - started
    killed = 0
    for trial in range(20):
        # The alarm's own effect ends a process between any two instructions.
        moment = generator.uniform(0.01, took)
        out = tmp_path / f"trial-{trial}"
        alarm = partial(signal.setitimer, signal.ITIMER_REAL, moment)
        killed += run_in_child(recipe, out, before=alarm) == -signal.SIGALRM
        run(recipe, out)
        assert digest(out) == digest(tmp_path / "whole"), f"trial {trial}, after {moment:.3f} s"
    assert killed >= 5
