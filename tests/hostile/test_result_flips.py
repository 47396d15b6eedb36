"""A bit that flips in a result, or in the rows beside it, is seen: every page is as before, or the file is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from made_results import level_rows_of, make_result, make_robustness, rows_of
from test_classification import answers, with_calibration
from test_sweep import made_up
from trials import Tally, bench, counts, try_flips

from benchmark.evaluation.robustness.cases import chosen_cases
from benchmark.results.classification import write_classification
from benchmark.results.counts import CountsResult, DatasetId, write_counts
from benchmark.results.files import ROWS
from benchmark.results.provenance import birth_certificate
from benchmark.results.restoration import write_result
from benchmark.results.robustness import write_robustness
from models.files import SEAL, write_json, write_sealed
from models.vocabulary import DEGRADATIONS

REPOSITORY = Path(__file__).resolve().parents[2]

FILES = {
    "a restoration result": "results/demo/a.daclip.json",
    "the rows of a restoration result": "results/demo/a.daclip.parquet",
    "a classification result": "results/demo/daclip.classification.json",
    "the answers of a classification": "results/demo/daclip.classification.parquet",
    "pair counts": "results/demo/counts.json",
    "a robustness result": "robustness/photos/a.modern.json",
    "the rows of a robustness result": "robustness/photos/a.modern.parquet",
    "a sweep": "nfe/demo.json",
    "speed measurements": "speed/networks.json",
}


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a leaderboards folder with results of every kind, and their pages."""
    folder = tmp_path_factory.mktemp("boards")
    for result in (make_result("a", 20.0), make_result("b", 21.0)):
        write_result(folder, result, rows_of(result))
    write_classification(folder, with_calibration(), answers().rows())
    counts = {"train": dict.fromkeys(DEGRADATIONS, 3), "test": dict.fromkeys(DEGRADATIONS, 2)}
    birth = birth_certificate(["eval"])
    write_counts(folder, CountsResult(dataset=DatasetId("demo", "cd" * 32), counts=counts, **birth))
    robust = make_robustness("a", chosen_cases(["noisy", "hazy+rainy"]), 30.0)
    write_robustness(folder, robust, level_rows_of(robust))
    write_sealed(folder / "nfe" / "demo.json", made_up())
    (folder / "speed").mkdir()
    shutil.copy(REPOSITORY / "leaderboards" / "speed" / "networks.json", folder / "speed")
    assert bench("leaderboard", "--leaderboards", folder).code == 0
    return folder


@counts(3, 200)
@pytest.mark.parametrize("what", FILES)
def test_flips(boards: Path, what: str, count: int) -> None:
    clean = bench("leaderboard", "--check", "--leaderboards", boards)
    assert clean.code == 0
    with Tally(f"flips in {what}") as tally:
        check = lambda: bench("leaderboard", "--check", "--leaderboards", boards)  # noqa: E731
        try_flips(tally, boards / FILES[what], count, check, clean=clean, seed=count)
    assert bench("leaderboard", "--check", "--leaderboards", boards) == clean


VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "a list": [],
    "an object": {},
    "minus one": -1,
    "a long number": 10**400,
    "a large float": 1e308,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "a path": "../../x",
    "half a character": "\ud800",
    "escape": "\x1b[31m",
    "nothing": "",
    "a long text": "x" * 10_000_000,
    "deep lists": None,
}


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all values in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inner for found in ((*place, key), *leaves(item, (*place, key)))]


@counts(6, 150)
@pytest.mark.parametrize("what", [what for what, file in FILES.items() if file.endswith("json")])
def test_values_that_were_never_written(boards: Path, what: str, count: int) -> None:
    """Also with a seal that agrees, a value of another kind ends in pages or in a sentence."""
    import numpy as np

    path = boards / FILES[what]
    whole = path.read_bytes()
    value = json.loads(whole)
    places = leaves({key: item for key, item in value.items() if key != SEAL})
    generator = np.random.default_rng(count)
    try:
        with Tally(f"values that were never written in {what}") as tally:
            for number in range(count):
                place = places[int(generator.integers(len(places)))]
                name = list(VALUES)[number % len(VALUES)]
                changed = json.loads(whole)
                inner = changed
                for key in place[:-1]:
                    inner = inner[key]
                inner[place[-1]] = VALUES[name]
                del changed[SEAL]
                if name == "deep lists":
                    inner[place[-1]] = "DEEP"
                    path.write_text(json.dumps(changed).replace('"DEEP"', "[" * 5000 + "]" * 5000))
                else:
                    path.write_text(json.dumps({**changed, SEAL: _seal(changed)}))
                ended = bench("leaderboard", "--check", "--leaderboards", boards)
                tally.case(f"{place} is {name}", ended.code in (0, 1) or ended.refused, ended.err[-600:])
    finally:
        path.write_bytes(whole)


def _seal(value: dict[str, Any]) -> str:
    from models.files import seal_of

    return seal_of(value)


def test_a_result_and_rows_that_contradict_each_other_are_refused_without_a_seal_too(
    boards: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "boards"
    shutil.copytree(boards, folder)
    path = folder / FILES["a restoration result"]
    value = json.loads(path.read_text())
    bare = {key: item for key, item in value.items() if key not in (SEAL, ROWS)}
    write_json(path, bare)
    ended = bench("leaderboard", "--check", "--leaderboards", folder)
    assert ended.code == 1, ended.err
    assert f"not sealed: {path}" in ended.err
    sealed = bench("leaderboard", "--seal", "--leaderboards", folder)
    assert (sealed.code, sealed.out) == (0, f"sealed {path}: its numbers follow from its rows\n")
    assert json.loads(path.read_text()) == value
    assert bench("leaderboard", "--check", "--leaderboards", folder).code == 0
    # One digit of a mean, and of every mean of means that follows from it.
    write_json(path, json.loads(json.dumps(bare).replace("20.0", "20.5").replace("24.5", "24.55")))
    for option in ("--check", "--seal"):
        refused = bench("leaderboard", option, "--leaderboards", folder)
        assert refused.refused
        assert "contradicts its result in the mean PSNR" in refused.err
    assert SEAL not in json.loads(path.read_text())


def test_a_key_that_results_never_had_needs_a_seal(boards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "boards"
    shutil.copytree(boards, folder)
    path = folder / FILES["a restoration result"]
    value = json.loads(path.read_text())
    write_json(path, {key: item for key, item in value.items() if key != SEAL})
    ended = bench("leaderboard", "--leaderboards", folder)
    assert ended.refused
    assert "has no seal" in ended.err


def test_rows_that_are_gone_are_told(boards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "boards"
    shutil.copytree(boards, folder)
    path = folder / FILES["the rows of a restoration result"]
    path.unlink()
    ended = bench("leaderboard", "--leaderboards", folder)
    assert ended.code == 0
    assert f"{path.with_suffix('.json')}: its rows are gone" in ended.err
