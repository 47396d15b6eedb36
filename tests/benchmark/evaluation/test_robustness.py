"""Robustness: what images go through, and runs that can be killed and continued."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmark.cli import main
from benchmark.degradations.specs.pipeline import apply, parse
from benchmark.degradations.specs.severity import LEVELS
from benchmark.evaluation.robustness.cases import CASES, chosen_cases
from benchmark.evaluation.robustness.measure import clean_images, evaluate_robustness, per_image_part
from benchmark.evaluation.store import Store
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.metrics.psnr import psnr
from benchmark.results.parts import Method
from benchmark.results.robustness import KIND_TITLES, RobustnessResult, read_robustness, write_robustness
from benchmark.sources.demo import tiles
from models.errors import UserError
from models.images.pixels import encode_png
from models.inference.restorer import Restorer
from models.networks.build import build
from models.vocabulary import DEGRADATIONS

METHOD = Method("input", "Input", "input", 0)
TWO = chosen_cases(["noisy", "hazy+rainy"])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "photos"
    folder.mkdir()
    for tile in tiles("test", 3):
        (folder / f"{tile.name.replace('/', '-')}.png").write_bytes(encode_png(tile.pixels()[:48, :48]))
    return folder


def restorer(name: str = "input") -> Restorer:
    return Restorer(name=name, network=build(name, {})).eval()


def measure(photos: Path, **more: Any) -> tuple[RobustnessResult, list[dict[str, Any]]]:
    settings: dict[str, Any] = {"method": METHOD, **more}
    return evaluate_robustness(restorer(), clean_images(photos), TWO, PROTOCOLS["modern"], **settings)


def test_the_cases_are_the_ten_types_unseen_ones_and_mixtures_at_five_levels() -> None:
    by_kind = {kind: [name for name, case in CASES.items() if case.kind == kind] for kind in KIND_TITLES}
    assert tuple(by_kind["known"]) == DEGRADATIONS
    assert len(by_kind["unseen"]) == len(by_kind["mixed"]) == 5
    assert all(len(case.specs) == len(LEVELS) for case in CASES.values())
    assert all(str(parse(spec)) == spec for case in CASES.values() for spec in case.specs)
    assert not set(by_kind["unseen"]) & set(DEGRADATIONS)
    assert all(word in DEGRADATIONS for name in by_kind["mixed"] for word in name.split("+"))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.kind != "known"])
def test_psnr_falls_from_level_to_level(name: str) -> None:
    means = []
    for spec in CASES[name].specs:
        pairs = [(tile.pixels(), apply(spec, tile.pixels(), seed=0, key=tile.name)) for tile in tiles("test", 6)]
        means.append(float(np.mean([psnr(degraded, clean) for clean, degraded in pairs])))
    assert all(weaker > stronger + 0.5 for weaker, stronger in itertools.pairwise(means)), means


def test_cases_are_chosen_by_name_or_kind_and_a_mistyped_one_names_the_close_one() -> None:
    assert [case.name for case in chosen_cases(["mixed", "noisy"])][:2] == ["noisy", "hazy+rainy"]
    assert len(chosen_cases([])) == len(CASES) == 20
    with pytest.raises(UserError, match="there is no case 'nosy' - did you mean 'noisy'"):
        chosen_cases(["nosy"])


def test_a_result_is_the_score_of_each_image_degraded_by_its_spec_and_key(photos: Path) -> None:
    result, rows = measure(photos)
    clean = dict(clean_images(photos).read(()))
    assert [(level.case, level.level) for level in result.levels] == [(c.name, i) for c in TWO for i in LEVELS]
    assert len(rows) == 2 * 5 * 3
    for case in TWO:
        for level, spec in enumerate(case.specs, start=1):
            expected = [psnr(apply(spec, pixels, seed=0, key=key), pixels) for key, pixels in clean.items()]
            found = [r["psnr"] for r in rows if (r["degradation"], r["level"]) == (case.name, level)]
            assert found == pytest.approx(expected, abs=1e-9)
            assert result.number(case.name, level, "psnr") == pytest.approx(np.mean(expected), abs=1e-9)
    assert result.number("noisy", 1, "fid") is None
    assert result.test_set.n == 3
    assert set(per_image_part(PROTOCOLS["modern"]).metrics) == {"psnr", "ssim", "lpips"}


def test_another_seed_degrades_otherwise(photos: Path) -> None:
    first, other = measure(photos)[0], measure(photos, degradation_seed=1)[0]
    assert first.number("noisy", 3, "psnr") != other.number("noisy", 3, "psnr")


def test_an_interrupted_run_scores_nothing_twice_and_ends_with_the_same_numbers(photos: Path, tmp_path: Path) -> None:
    whole, rows = measure(photos)

    class Stopped(Exception):
        pass

    def stop(done: int) -> None:
        if done == 11:
            raise Stopped

    store = Store(tmp_path, "a run")
    with pytest.raises(Stopped):
        measure(photos, store=store, progress=stop)
    store.close()
    seen: list[int] = []
    resumed, again = measure(photos, store=Store(tmp_path, "a run"), progress=seen.append)
    assert seen[0] >= 11
    assert seen[-1] == 30
    assert again == rows
    assert resumed.levels == whole.levels


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


@pytest.mark.long
def test_a_run_that_is_killed_continues_and_ends_with_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    def command(boards: Path) -> list[str]:
        return [
            *(
                "robustness",
                "--data",
                str(photos),
                "--network",
                "nlm",
                "--leaderboards",
                str(boards),
                "--device",
                "cpu",
            ),
            *("--case", "known"),
        ]

    assert run(*command(tmp_path / "whole")) == 0
    script = f"from benchmark.cli import main; main({command(tmp_path / 'killed')!r})"
    partial = tmp_path / "killed" / "robustness" / ".partial"
    kills = 0
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
        before = sum(p.stat().st_size for p in partial.glob("*")) if partial.is_dir() else 0
        while process.poll() is None:
            if partial.is_dir() and sum(p.stat().st_size for p in partial.glob("*")) > before + 20_000:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.02)
        process.wait()
    assert kills > 0
    assert run(*command(tmp_path / "killed")) == 0
    names = [tmp_path / which / "robustness" / "photos" / "nlm.modern" for which in ("whole", "killed")]
    tables = [pq.read_table(name.with_name("nlm.modern.parquet")) for name in names]
    assert tables[0].equals(tables[1])
    values = [json.loads(name.with_name("nlm.modern.json").read_text(encoding="utf-8")) for name in names]
    for value in values:
        del value["seconds_per_image"], value["command"]
    assert values[0] == values[1]
    assert not partial.exists()


def test_the_command_keeps_a_result_that_is_there_and_prints_it(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--data", photos, "--leaderboards", tmp_path, "--case", "noisy", "--limit", 2)
    assert run("robustness", *place) == 0
    path = tmp_path / "robustness" / "photos" / "input.modern.json"
    assert [level.case for level in read_robustness(tmp_path)[0].levels] == ["noisy"] * 5
    assert "Noisy" in capsys.readouterr().out
    before = path.stat().st_mtime_ns
    assert run("robustness", *place) == 0
    assert path.stat().st_mtime_ns == before
    assert run("robustness", *place, "--degradation-seed", 4) == 0
    assert read_robustness(tmp_path)[0].degradation_seed == 4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--case", "rainny"), "there is no case 'rainny'"),
        (("--network", "nafnet"), "needs weights"),
        (("--protocol", "modrn"), "did you mean 'modern'"),
        (("--data", "nowhere"), "not found"),
    ],
)
def test_mistakes_end_with_one_sentence(
    photos: Path, tmp_path: Path, options: tuple[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("robustness", "--data", photos, "--leaderboards", tmp_path, *options) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("*.json"))


def test_a_result_in_the_wrong_place_or_with_repeated_levels_is_refused(photos: Path, tmp_path: Path) -> None:
    result, rows = measure(photos)
    path = write_robustness(tmp_path, result, rows)
    assert [found.to_json() for found in read_robustness(tmp_path)] == [result.to_json()]
    path.rename(path.with_name("other.modern.json"))
    with pytest.raises(UserError, match=r"belongs in photos/input\.modern\.json"):
        read_robustness(tmp_path)
    value = result.to_json()
    value["levels"].append(value["levels"][0])
    with pytest.raises(UserError, match="each of its levels once"):
        RobustnessResult.from_json(value, where="x.json")


def test_help_needs_no_torch() -> None:
    code = "import sys, benchmark.cli.robustness; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
