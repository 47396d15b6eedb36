"""Names of results out of files make no pages elsewhere, and a killed leaderboard leaves no half page."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_results import level_rows_of, make_classification, make_result, make_robustness, rows_of
from test_result_places import files_below
from trials import Tally, bench

from benchmark.evaluation.robustness.cases import chosen_cases
from benchmark.results.classification import write_classification
from benchmark.results.counts import CountsResult, DatasetId, write_counts
from benchmark.results.files import result_path
from benchmark.results.provenance import birth_certificate
from benchmark.results.restoration import write_result
from benchmark.results.robustness import robustness_path, write_robustness
from models.errors import UserError
from models.files import sealed, write_json

NAMES = ("../x", "../../x", "/x", "a/b", "..", ".", "", ".x", "a b", "a\nb", "a\0b", "x" * 300, "a\\b", "ä")


def test_names_of_results(tmp_path: Path) -> None:
    result, robust = make_result("a", 20.0), make_robustness("a", chosen_cases(["noisy"]), 30.0)
    classified = make_classification("c", "C", [[2 * int(i == j) for j in range(10)] for i in range(10)])
    birth = birth_certificate(["eval"])
    with Tally("names of test sets, methods and protocols that are no file names") as tally:
        for name in NAMES:
            test_set, method = replace(result.test_set, name=name), replace(result.method, name=name)
            for what, attempt in {
                "test set": lambda t=test_set: write_result(tmp_path, replace(result, test_set=t), rows_of(result)),
                "method": lambda m=method: write_result(tmp_path, replace(result, method=m), rows_of(result)),
                "protocol": lambda n=name: result_path(tmp_path, test_set="t", method="m", kind=n),
                "classification": lambda m=method: write_classification(tmp_path, replace(classified, method=m)),
                "robustness": lambda t=test_set: write_robustness(
                    tmp_path, replace(robust, test_set=replace(robust.test_set, name=t.name)), level_rows_of(robust)
                ),
                "robustness method": lambda n=name: robustness_path(
                    tmp_path, test_set="t", method=n, protocol="modern"
                ),
                "counts": lambda n=name: write_counts(
                    tmp_path, CountsResult(dataset=DatasetId(n, "d"), counts={"test": {"hazy": 1}}, **birth)
                ),
            }.items():
                try:
                    found = attempt()
                except UserError as error:
                    tally.case(f"{what} {name!a}", "cannot name a file" in str(error), str(error))
                else:
                    tally.case(f"{what} {name!a}", False, f"led to {found}")
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("name", ["../x", "../../pages", "/tmp/x"])
@pytest.mark.parametrize("kind", ["results", "classification", "counts", "robustness"])
def test_results_whose_names_are_paths_make_no_pages(tmp_path: Path, kind: str, name: str) -> None:
    """As a stranger would write them, with a seal that agrees."""
    folder = tmp_path / "boards"
    if kind == "results":
        path = write_result(folder, make_result("a", 20.0), rows_of(make_result("a", 20.0)))
    elif kind == "classification":
        path = write_classification(folder, make_classification("c", "C", np.eye(10, dtype=int).tolist()))
    elif kind == "counts":
        birth = birth_certificate(["eval"])
        path = write_counts(folder, CountsResult(dataset=DatasetId("d", "d"), counts={"test": {"hazy": 1}}, **birth))
    else:
        robust = make_robustness("a", chosen_cases(["noisy"]), 30.0)
        path = write_robustness(folder, robust, level_rows_of(robust))
    before = files_below(tmp_path)
    value = json.loads(path.read_text())
    for holder in ("test_set", "dataset"):
        if holder in value:
            value[holder]["name"] = name
    write_json(path, sealed(value))
    ended = bench("leaderboard", "--leaderboards", folder)
    assert ended.refused
    assert str(path) in ended.err or "cannot name a file" in ended.err
    assert files_below(tmp_path) == before


WRITES = """
import sys
from pathlib import Path
import models.files
fsync = models.files.os.fsync
def killed(number):
    fsync(number)
    print("page", flush=True)
    import time
    time.sleep(60)
models.files.os.fsync = killed
from benchmark.report.leaderboard import write
write(Path(sys.argv[1]))
"""


def test_a_killed_leaderboard_leaves_no_half_page(tmp_path: Path) -> None:
    folder = tmp_path / "boards"
    write_result(folder, make_result("a", 20.0), rows_of(make_result("a", 20.0)))
    child = subprocess.Popen([sys.executable, "-c", WRITES, folder], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"page\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert [path for path in files_below(folder) if path.endswith(".partial")]
    assert bench("leaderboard", "--leaderboards", folder).code == 0
    assert [path for path in files_below(folder) if path.endswith(".partial")] == []
    assert bench("leaderboard", "--check", "--leaderboards", folder).code == 0
