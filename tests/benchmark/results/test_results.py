"""A result survives the way to JSON and back, refuses what it does not know, and is written whole."""

from __future__ import annotations

import json
import math
import os
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.results.classification import ClassificationResult, read_classifications, write_classification
from benchmark.results.counts import CountsResult, DatasetId, read_counts, write_counts
from benchmark.results.parts import Cost, Group, Method, ProtocolId, Score, TestSet
from benchmark.results.provenance import birth_certificate, portable
from benchmark.results.restoration import (
    Result,
    mean_over_groups,
    read_per_image,
    read_results,
    write_result,
    write_rows,
)
from models.errors import UserError
from models.files import write_json
from models.vocabulary import DEGRADATIONS

WORDS = st.text(alphabet=string.ascii_letters + string.digits + " .-|*äé", max_size=12)
# Commands that run networks let numbers below 1e-38 be zero, for the whole process.
NUMBERS = st.floats(min_value=-1e6, max_value=1e6, allow_subnormal=False) | st.just(math.inf)


@st.composite
def results(draw: st.DrawFn) -> Result:
    types = draw(st.lists(st.sampled_from(DEGRADATIONS), unique=True, max_size=4))
    names = draw(st.lists(st.sampled_from(["psnr", "ssim", "lpips", "fid"]), unique=True))

    def score() -> Score:
        value = draw(NUMBERS)
        return Score(value=value, n=3, ci95=(value - 1, value + 1) if draw(st.booleans()) else None)

    groups = {word: Group(n=3, metrics={name: score() for name in names}) for word in types}
    means = {name: mean_over_groups(groups, name) if groups else draw(NUMBERS) for name in names}
    return Result(
        method=Method(
            "m", draw(WORDS), draw(st.none() | WORDS), draw(st.none() | st.integers(0, 10**9)), None, None, None
        ),
        test_set=TestSet("set", draw(WORDS), "d" * 64, 3, tuple(types)),
        protocol=ProtocolId("daclip", draw(st.integers(1, 9))),
        n=3 * len(groups) if groups else 3,
        metrics={name: Score(value=value, n=3) for name, value in means.items()},
        groups=groups,
        missing={} if "fid" in names else {"fid": draw(WORDS)},
        cost=Cost(
            seconds_per_image=draw(st.none() | st.floats(0, 100, allow_subnormal=False)), flops=5, flops_size="256x256"
        ),
        sampler=draw(st.none() | st.dictionaries(WORDS, st.integers() | WORDS, max_size=3)),
        seed=draw(st.none() | st.integers(0, 9)),
        **birth_certificate(["eval"]),
    )


@pytest.fixture
def result() -> Result:
    psnr = {"hazy": 20.0, "noisy": 30.0}
    groups = {word: Group(n=2, metrics={"psnr": Score(value=v, n=2)}) for word, v in psnr.items()}
    return Result(
        method=Method("nafnet", "NAFNet", "nafnet", 1000, "ab" * 32),
        test_set=TestSet("demo", "Demo", "cd" * 32, 4, ("hazy", "noisy")),
        protocol=ProtocolId("daclip", 1),
        n=4,
        metrics={"psnr": Score(value=25.0, n=4, ci95=(24.0, 26.0))},
        groups=groups,
        missing={"fid": "put the weights in the cache"},
        cost=Cost(seconds_per_image=0.1),
        sampler=None,
        seed=0,
        **birth_certificate(["eval", "--data", "demo"]),
    )


PSNR = (19.5, 20.5, 28.0, 32.0)
ROWS = [{"key": f"k{i}", "degradation": "hazy" if i < 2 else "noisy", "psnr": PSNR[i]} for i in range(4)]
OTHERS = [{**row, "psnr": 20.0 if row["degradation"] == "hazy" else 30.0} for row in ROWS]


@settings(max_examples=60, deadline=None)
@given(results())
def test_a_result_survives_the_way_to_json_and_back(result: Result) -> None:
    text = json.dumps(result.to_json(), allow_nan=False)
    again = Result.from_json(json.loads(text), where="x.json")
    assert again == result
    assert json.dumps(again.to_json(), allow_nan=False) == text


def test_an_infinite_value_is_stored_as_null_with_a_mark_and_read_as_infinity() -> None:
    score = Score(value=math.inf, n=3, ci95=(math.inf, math.inf))
    assert score.to_json() == {"value": None, "n": 3, "ci95": None, "infinite": True}
    assert score.number == math.inf
    assert "infinite" not in Score(value=1.0, n=3).to_json()


@pytest.mark.parametrize("value", [math.nan, -math.inf, None])
def test_a_score_that_is_no_number_is_refused(value: float | None) -> None:
    with pytest.raises(UserError):
        Score(value=value, n=3)


def _change(value: dict[str, Any], path: str, new: Any) -> dict[str, Any]:
    *parents, last = path.split(".")
    place = value
    for name in parents:
        place = place[name]
    if new is KeyError:
        del place[last]
    else:
        place[last] = new
    return value


@pytest.mark.parametrize(
    ("path", "new", "told"),
    [
        ("sampel", 1, "unknown key 'sampel' - did you mean 'sampler'?"),
        ("metrics.psnr.valeu", 1, "metrics.psnr: unknown key 'valeu'"),
        ("groups.hazy.metrics.psnr.n", KeyError, "groups.hazy: metrics.psnr: the key 'n' is missing"),
        ("seed", KeyError, "the key 'seed' is missing"),
        ("seed", "0", "seed: expected int, got str '0'"),
        ("seed", True, "seed: expected int, got bool"),
        ("protocol", KeyError, "without a protocol id"),
        ("protocol.id", "", "without a protocol id"),
        ("protocol.version", None, "protocol: version"),
        ("schema", 2, "reads schema 1"),
        ("n", 5, "n is 5, but the groups hold 4"),
        ("metrics.psnr.value", 25.1, "the unweighted mean over the groups is 25.0"),
        ("metrics.psnr.ci95", [1.0], "expected 2 values"),
        ("missing.psnr", "none", "both scored and missing"),
        ("cost.flops", 7, "give flops_size"),
    ],
)
def test_a_result_with_a_wrong_key_or_value_is_refused_naming_it(
    result: Result, path: str, new: Any, told: str
) -> None:
    value = _change(result.to_json(), path, new)
    with pytest.raises(UserError) as caught:
        Result.from_json(value, where="results/demo/x.json")
    assert told in str(caught.value)
    assert str(caught.value).startswith("results/demo/x.json")


def test_the_mean_over_groups_is_unweighted_and_absent_when_a_group_lacks_the_metric() -> None:
    groups = {
        "hazy": Group(n=100, metrics={"psnr": Score(value=10.0, n=100)}),
        "noisy": Group(n=1, metrics={"psnr": Score(value=20.0, n=1), "fid": Score(value=1.0, n=1)}),
    }
    assert mean_over_groups(groups, "psnr") == 15.0
    assert mean_over_groups(groups, "fid") is None


def test_a_result_is_written_with_its_per_image_rows_and_read_back(tmp_path: Path, result: Result) -> None:
    path = write_result(tmp_path, result, ROWS)
    assert path == tmp_path / "results/demo/nafnet.daclip.json"
    table = pq.read_table(path.with_suffix(".parquet"))
    assert table.column_names == ["key", "degradation", "psnr"]
    assert table.to_pylist() == ROWS
    assert read_results(tmp_path) == [result]


def test_results_are_read_in_the_order_of_their_paths(tmp_path: Path, result: Result) -> None:
    for name in ("b", "a", "c"):
        write_result(tmp_path, replace(result, method=replace(result.method, name=name)), ROWS)
    assert [r.method.name for r in read_results(tmp_path)] == ["a", "b", "c"]


def test_a_broken_row_set_is_refused_and_leaves_what_was_there(tmp_path: Path, result: Result) -> None:
    path = write_result(tmp_path, result, ROWS)
    before = path.read_bytes(), path.with_suffix(".parquet").read_bytes()
    for rows in (ROWS[:3], [*ROWS[:3], ROWS[0]], [*ROWS[:3], {"key": "k9", "degradation": "noisy"}]):
        with pytest.raises(UserError):
            write_result(tmp_path, result, rows)
        assert (path.read_bytes(), path.with_suffix(".parquet").read_bytes()) == before


def test_what_cannot_be_written_leaves_the_old_result_and_its_rows(tmp_path: Path, result: Result) -> None:
    path = write_result(tmp_path, result, ROWS)
    before = path.read_bytes(), path.with_suffix(".parquet").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(tmp_path, replace(result, sampler={"eta": math.nan}), OTHERS)
    assert (path.read_bytes(), path.with_suffix(".parquet").read_bytes()) == before
    assert read_results(tmp_path) == [result]
    assert read_per_image(tmp_path, result) == ROWS


def test_a_crash_between_rows_and_result_leaves_rows_without_a_result(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_result(tmp_path, result, ROWS)
    replace_file = os.replace

    def crash(source: Path, target: Path) -> None:
        if Path(target) == path:
            raise KeyboardInterrupt
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        write_result(tmp_path, result, OTHERS)
    assert {file.name for file in path.parent.iterdir()} == {path.with_suffix(".parquet").name}
    assert read_results(tmp_path) == []


def test_rows_of_another_number_of_images_do_not_belong_to_an_unsealed_result(tmp_path: Path, result: Result) -> None:
    path = write_result(tmp_path, result, ROWS)
    write_json(path, result.to_json())
    write_rows(path.with_suffix(".parquet"), ROWS[:2])
    assert read_per_image(tmp_path, result) is None
    path.with_suffix(".parquet").write_bytes(b"no parquet")
    with pytest.raises(UserError, match="cannot be read"):
        read_per_image(tmp_path, result)
    path.with_suffix(".parquet").unlink()
    assert read_per_image(tmp_path, result) is None


def test_a_result_file_in_the_wrong_place_is_refused(tmp_path: Path, result: Result) -> None:
    path = write_result(tmp_path, result, ROWS)
    path.rename(path.with_name("other.daclip.json"))
    with pytest.raises(UserError, match=r"belongs in demo/nafnet\.daclip\.json"):
        read_results(tmp_path)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_name_that_cannot_be_a_file_is_refused(tmp_path: Path, result: Result, name: str) -> None:
    with pytest.raises(UserError):
        write_result(tmp_path, replace(result, method=replace(result.method, name=name)), ROWS)


def test_no_absolute_path_gets_into_a_result(tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = f"bench eval --data {tmp_path}/sets/lol --runs=/srv/secret/runs --weights '/srv/a.pth'"
    written = replace(result, command=command, missing={"fid": "put it in /opt/cache/inception.pth"}).to_json()
    assert written["command"] == "bench eval --data sets/lol --runs=runs --weights 'a.pth'"
    assert written["missing"]["fid"] == "put it in inception.pth"


@pytest.mark.parametrize("text", ["12 s/image", "https://arxiv.org/abs/2310.01018", "a / b", "~/.cache/x", "LQ/GT"])
def test_text_that_only_looks_like_a_path_is_kept(text: str) -> None:
    assert portable(text) == text


def test_the_birth_certificate_names_the_packages_and_the_machine() -> None:
    birth = birth_certificate(["eval", "--table", "3"])
    assert birth["command"] == "bench eval --table 3"
    assert {"torch", "open_clip_torch", "lpips", "pytorch-fid", "numpy", "scikit-image"} <= set(birth["versions"])
    assert "core" in birth["hardware"]
    assert len(birth["date"]) == 10


def test_a_classification_result_follows_from_its_confusion_matrix(tmp_path: Path) -> None:
    confusion = [[0] * 10 for _ in range(10)]
    confusion[0][0], confusion[0][1], confusion[4][4] = 3, 1, 1
    result = ClassificationResult.from_confusion(
        confusion,
        method=Method("daclip", "DA-CLIP"),
        test_set=TestSet("demo", "Demo", "cd" * 32, 5, ("motion-blurry", "noisy")),
        seed=None,
        birth=birth_certificate(["eval"]),
    )
    assert result.accuracy == pytest.approx((0.75 + 1.0) / 2)
    assert result.chance == pytest.approx(0.1)
    write_classification(tmp_path, result)
    assert read_classifications(tmp_path) == [result]
    assert read_results(tmp_path) == []
    value = _change(result.to_json(), "accuracy", 0.9)
    with pytest.raises(UserError, match="do not follow from the confusion matrix"):
        ClassificationResult.from_json(value, where="x.json")


def test_counts_are_written_and_read_back_and_a_type_that_is_no_word_is_refused(tmp_path: Path) -> None:
    birth = birth_certificate(["eval"])
    result = CountsResult(dataset=DatasetId("demo", "ab" * 32), counts={"train": {"hazy": 3}, "test": {}}, **birth)
    write_counts(tmp_path, result)
    assert read_counts(tmp_path) == [result]
    assert read_results(tmp_path) == []
    with pytest.raises(UserError, match="'Very hazy' cannot name a degradation"):
        CountsResult.from_json(_change(result.to_json(), "counts", {"train": {"Very hazy": 3}}), where="x.json")
