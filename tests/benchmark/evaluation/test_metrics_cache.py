"""The features of clean images on disk: the same bits, whatever is killed or runs at the same time."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmark.evaluation.scoring.feature_cache import FeatureCache, default_path, image_digest
from models.errors import UserError

WRITER = """
import sys
from pathlib import Path
import numpy as np
from benchmark.evaluation.scoring.feature_cache import FeatureCache
cache = FeatureCache(Path(sys.argv[1]), recipe="r")
print("ready", flush=True)
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    cache.put(str(number), np.random.default_rng(number).normal(size=2048).astype(np.float32))
"""


def row(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=2048).astype(np.float32)


def test_features_come_back_bit_by_bit_and_only_for_their_recipe(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "deep" / "features.sqlite", recipe="a")
    assert cache.get("x") is None
    cache.put("x", row(1))
    again = FeatureCache(cache.path, recipe="a").get("x")
    assert again is not None
    assert again.dtype == np.float32
    assert np.array_equal(again, row(1))
    assert FeatureCache(cache.path, recipe="b").get("x") is None


def test_the_digest_of_an_image_sees_pixels_and_shape() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    digests = {image_digest(image), image_digest(image.reshape(4, 2, 3)), image_digest(image + np.uint8(1))}
    assert len(digests) == 3
    assert image_digest(np.asfortranarray(image)) == image_digest(image)


def test_a_damaged_row_counts_as_absent_and_a_foreign_file_is_refused(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features.sqlite", recipe="a")
    cache.put("x", row(1))
    with sqlite3.connect(cache.path) as other:
        other.execute("UPDATE features SET value = ?", (row(2).tobytes(),))
    assert cache.get("x") is None
    foreign = tmp_path / "notes.txt"
    foreign.write_text("not a table " * 100)
    with pytest.raises(UserError, match=r"notes.txt cannot be used .*: remove it or name another file"):
        FeatureCache(foreign, recipe="a")
    assert foreign.read_text().startswith("not a table")


def test_threads_may_use_one_cache(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features.sqlite", recipe="a")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: cache.put(str(number), row(number)), range(20)))
        found = list(pool.map(lambda number: cache.get(str(number)), range(20)))
    assert all(value is not None and np.array_equal(value, row(number)) for number, value in enumerate(found))


@pytest.mark.slow
def test_two_writers_and_one_that_is_killed_leave_whole_rows(tmp_path: Path) -> None:
    path = tmp_path / "features.sqlite"
    first, second = (
        subprocess.Popen([sys.executable, "-c", WRITER, path, *span], stdout=subprocess.PIPE)
        for span in (("0", "100000"), ("50", "80"))
    )
    assert first.stdout is not None
    first.stdout.readline()
    time.sleep(0.3)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert second.wait() == 0
    cache = FeatureCache(path, recipe="r")
    kept = {number: cache.get(str(number)) for number in range(200)}
    assert all(np.array_equal(value, row(number)) for number, value in kept.items() if value is not None)
    assert all(kept[number] is not None for number in range(50, 80))


def test_the_usual_place_follows_the_systems_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "daclip-bench" / "features.sqlite"
