"""Scores of a killed evaluation, and features of clean images, are taken as they were written or made again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eval_data import eval_dataset
from trials import Tally, counts, try_flips

from benchmark.dataset.folder import Dataset
from benchmark.evaluation.network import evaluate_network
from benchmark.evaluation.scoring.feature_cache import FeatureCache
from benchmark.evaluation.store import FOLDER, Store
from benchmark.evaluation.stored import FEATURE_BYTES, _digest
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.results.parts import Method
from models.errors import UserError
from models.files import sha256_json
from models.inference.loading import load_restorer
from models.inference.restorer import Restorer

IDENTITY = {"work": "a trial"}
TWO = [PROTOCOLS["daclip"], PROTOCOLS["restormer-y"]]


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(eval_dataset(tmp_path_factory.mktemp("eval") / "data", rows=3))


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return load_restorer("input", None)


@pytest.fixture(scope="module")
def killed(data: Dataset, restorer: Restorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of an evaluation that was killed after five of six images."""

    def stop(done: int) -> None:
        if done == 5:
            raise Killed

    store = Store(tmp_path_factory.mktemp("killed"), IDENTITY)
    with pytest.raises(Killed):
        evaluate_network(restorer, data, TWO, method=Method("m", "M"), store=store, progress=stop)
    store.close()
    return store.path


def numbers(data: Dataset, restorer: Restorer, store: Store | None = None) -> Any:
    """Evaluate and return all that is no measurement of this machine."""
    found = []
    for one in evaluate_network(restorer, data, TWO, method=Method("m", "M"), store=store):
        value = one.result.to_json()
        del value["cost"]
        found.append((value, list(one.rows)))
    return found


def continued(data: Dataset, restorer: Restorer, file: Path, place: Path) -> Any:
    """Go on with a copy of a file, and return what comes of it."""
    shutil.rmtree(place, ignore_errors=True)
    (place / FOLDER).mkdir(parents=True)
    shutil.copy(file, place / FOLDER)
    store = Store(place, IDENTITY)
    try:
        return numbers(data, restorer, store)
    finally:
        store.close()


@counts(3, 200)
def test_flips_in_unfinished_scores(
    data: Dataset, restorer: Restorer, killed: Path, tmp_path: Path, count: int
) -> None:
    clean = numbers(data, restorer)
    assert continued(data, restorer, killed, tmp_path / "whole") == clean
    with Tally("flips in scores of a killed evaluation") as tally:
        again = lambda: continued(data, restorer, killed, tmp_path / "copy")  # noqa: E731
        try_flips(tally, killed, count, again, clean=clean, seed=count)


def rewritten(changes: dict[str, Any]) -> Callable[[sqlite3.Connection], None]:
    """Return what changes a column of the first row and gives the row the digest that it then has to have."""

    def change(file: sqlite3.Connection) -> None:
        names = [column[1] for column in file.execute("PRAGMA table_info(images)")]
        row = dict(zip(names, file.execute("SELECT * FROM images").fetchone(), strict=True))
        was = row["key"]
        row |= {name: value(row[name]) if callable(value) else value for name, value in changes.items()}
        values = [row[name] for name in names[:-1]]
        try:
            digest = _digest(values, sha256_json(IDENTITY))
        except (TypeError, ValueError):
            digest = "none"
        file.execute("DELETE FROM images WHERE key = ?", (was,))
        file.execute("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*values, digest))

    return change


def scripted(text: str) -> Callable[[sqlite3.Connection], Any]:
    return lambda file: file.executescript(text)


def scores_of(value: Any) -> Callable[[str], str]:
    """Return what replaces every score in a row's JSON."""
    return lambda text: json.dumps({token: dict.fromkeys(scores, value) for token, scores in json.loads(text).items()})


HOSTILE: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "scores that are no numbers": rewritten({"scores": scores_of(float("nan"))}),
    "scores of minus infinity": rewritten({"scores": scores_of(float("-inf"))}),
    "scores that are text": rewritten({"scores": scores_of("30")}),
    "scores that are true": rewritten({"scores": scores_of(True)}),
    "scores that are lists": rewritten({"scores": "[1, 2]"}),
    "scores that are bytes": rewritten({"scores": lambda text: text.encode()}),
    "scores nested deeply": rewritten({"scores": "[" * 100_000}),
    "another metric": rewritten({"scores": lambda text: text.replace("psnr", "pnsr")}),
    "features of another size": rewritten({"features": b"\0" * 12}),
    "features that are not finite": rewritten({"features": np.full(FEATURE_BYTES // 4, np.nan, np.float32).tobytes()}),
    "features that are text": rewritten({"features": "x"}),
    "seconds that are text": rewritten({"seconds": "long"}),
    "a peak that is text": rewritten({"peak": "high"}),
    "a key that is bytes": rewritten({"key": b"made/hazy/0"}),
    "another score and the old digest": scripted("UPDATE images SET scores = replace(scores, '1', '2')"),
    "another type and the old digest": scripted("UPDATE images SET degradation = 'rainy'"),
    "rows of each other": scripted("UPDATE images SET scores = (SELECT max(scores) FROM images)"),
    "a view in place of the table": scripted(
        "ALTER TABLE images RENAME TO old; CREATE VIEW images AS SELECT key, degradation, replace(scores, '1', '2') AS"
        " scores, features, clean_features, seconds, peak, digest FROM old"
    ),
    "a trigger": scripted("CREATE TRIGGER t AFTER INSERT ON images BEGIN DELETE FROM images; END"),
    "a further table": scripted("CREATE TABLE more (x)"),
    "an index": scripted("CREATE INDEX i ON images (digest)"),
    "fewer columns": scripted("ALTER TABLE images DROP COLUMN peak"),
    "further columns": scripted("ALTER TABLE images ADD COLUMN more TEXT"),
    "columns in another order": scripted(
        "ALTER TABLE images RENAME TO old; CREATE TABLE images (degradation, key TEXT PRIMARY KEY, scores, features,"
        " clean_features, seconds, peak, digest); INSERT INTO images SELECT degradation, key, scores, features,"
        " clean_features, seconds, peak, digest FROM old; DROP TABLE old"
    ),
    "a huge value": scripted("UPDATE images SET features = zeroblob(20000000)"),
    "text that is no UTF-8": scripted("UPDATE images SET degradation = CAST(x'ff00fe' AS TEXT)"),
    "no rows": scripted("DELETE FROM images"),
}


@counts(6, len(HOSTILE))
def test_hostile_files_of_scores(data: Dataset, restorer: Restorer, killed: Path, tmp_path: Path, count: int) -> None:
    clean = numbers(data, restorer)
    with Tally("hostile files in place of unfinished scores") as tally:
        for name, change in list(HOSTILE.items())[:: -(-len(HOSTILE) // count)]:
            file = tmp_path / killed.name
            shutil.copy(killed, file)
            connection = sqlite3.connect(file, isolation_level=None)
            change(connection)
            connection.close()
            try:
                found = continued(data, restorer, file, tmp_path / "copy")
            except UserError as error:
                tally.case(name, bool(str(error)), "no sentence")
            else:
                tally.case(name, found == clean, f"silently gave {str(found)[:300]}")


def test_scores_of_another_evaluation_count_as_absent(
    data: Dataset, restorer: Restorer, killed: Path, tmp_path: Path
) -> None:
    other = Store(tmp_path, {"work": "another"})
    other.close()
    shutil.copy(killed, other.path)
    store = Store(tmp_path, {"work": "another"})
    assert list(store.scored()) == []
    store.close()


IMAGES = [f"{number:064x}" for number in range(6)]


def row(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=2048).astype(np.float32)


def features(path: Path) -> list[Any]:
    """Return what a cache says of every image, or the true features where it knows none."""
    cache = FeatureCache(path, recipe="r")
    found = [cache.get(image) for image in IMAGES]
    cache._connection().close()
    return [(row(number) if kept is None else kept).tobytes() for number, kept in enumerate(found)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    made = FeatureCache(tmp_path / "features.sqlite", recipe="r")
    for number, image in enumerate(IMAGES):
        made.put(image, row(number))
    made._connection().close()
    return made.path


@counts(20, 500)
def test_flips_in_the_feature_cache(cache: Path, count: int) -> None:
    clean = [row(number).tobytes() for number in range(len(IMAGES))]
    assert features(cache) == clean
    with Tally("flips in the cache of features") as tally:
        try_flips(tally, cache, count, lambda: features(cache), clean=clean, seed=count)


@pytest.mark.parametrize(
    "script",
    [
        "UPDATE features SET value = (SELECT max(value) FROM features)",
        "UPDATE features SET (digest, value) = (SELECT digest, value FROM features LIMIT 1)",
        "UPDATE features SET value = x'0001'",
        "UPDATE features SET value = 'text'",
        "UPDATE features SET value = zeroblob(20000000)",
        "CREATE TRIGGER t AFTER INSERT ON features BEGIN DELETE FROM features; END",
        "ALTER TABLE features RENAME TO old; CREATE VIEW features AS SELECT image, recipe, digest, value FROM old",
    ],
)
def test_a_hostile_cache_of_features_gives_no_others(cache: Path, script: str) -> None:
    connection = sqlite3.connect(cache)
    connection.executescript(script)
    connection.close()
    told = ""
    try:
        assert features(cache) == [row(number).tobytes() for number in range(len(IMAGES))]
    except UserError as error:
        told = str(error)
    assert not told or "remove it or name another file" in told
