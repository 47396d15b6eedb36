"""Datasets whose manifest or columns are of another shape than a build gives them: one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flipped_datasets import build, made_samples
from trials import Tally, bench, counts

from benchmark.dataset.folder import Dataset
from benchmark.dataset.schema import RECORDS
from benchmark.dataset.shards import columns_digest
from models.errors import UserError
from models.files import SEAL, read_json, sha256_file, sha256_json, write_sealed

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shapes")
    build(made_samples(place / "images", "png"), place / "data")
    return place / "data"


TEXTS: tuple[str, ...] = (
    "[]",
    "null",
    "7",
    '"text"',
    "{}",
    "",
    "{" * 100_000,
    '{"a":' * 50_000 + "1" + "}" * 50_000,
    "[" * 100_000,
    '{"schema": 2}',
    '{"schema": true}',
    '{"schema": "2"}',
    '{"schema": 2, "schema": 2}',
    '{"schema": ' + "9" * 5000 + "}",
    '{"schema": NaN}',
    "\x00\x01\x02",
    '{"schema": 2, "shards": [',
    "<html></html>",
)


def shard_named(name: str) -> Callable[[Manifest], Any]:
    return lambda m: m["shards"][0].update(file=name)


CHANGES: tuple[Callable[[Manifest], Any], ...] = (
    *(lambda m, key=key: m.pop(key) for key in ("tool", "plan", "recipe", "splits", "shards", "sidecar", "digest")),
    *(lambda m, key=key: m.update({key: 7}) for key in ("tool", "plan", "recipe", "splits", "shards", "quarantine")),
    *(lambda m, key=key: m.update({key: [[]]}) for key in ("splits", "shards", "sidecar", "quarantine", "digest")),
    *(lambda m, key=key: m.update({key: {"test": None}}) for key in ("splits", "shards", "sidecar", "digest")),
    lambda m: m.update(more=1),
    lambda m: m.update(splits={}),
    lambda m: m["splits"]["test"].update(rows="4"),
    lambda m: m["splits"]["test"].update(rows=True),
    lambda m: m["splits"]["test"].update(rows=5),
    lambda m: m["splits"]["test"].update(counts=[]),
    lambda m: m["splits"]["test"].update(counts={"hazy": 3, "noisy": 1}),
    lambda m: m["splits"]["test"].update(counts={"../../x": 4}),
    lambda m: m["splits"]["test"].update(sources={"/etc": 4}),
    lambda m: m["splits"]["test"].update(unique_clean=-1),
    lambda m: m["splits"]["test"].update(digest="x" * 64),
    lambda m: m["splits"].update({"../test": m["splits"].pop("test")}),
    *map(shard_named, ("/etc/passwd", "../data/x.parquet", "data/../../x.parquet", "data/test.parquet", "data/", "")),
    *map(shard_named, ("data/test-00000-of-00002.parquet/x", "data\\test-00000-of-00002.parquet", "data/\x00.parquet")),
    lambda m: m["shards"].append(m["shards"][0]),
    lambda m: m["shards"].clear(),
    lambda m: m["shards"][0].update(rows=-3),
    lambda m: m["shards"][0].update(sha256=None),
    lambda m: m["sidecar"]["test"].update(file="../../etc/passwd"),
    lambda m: m["recipe"].update(sources=[{"name": ["x"]}]),
    lambda m: m["recipe"].update(preset=["demo"]),
    lambda m: m["quarantine"].append({"key": 1, "reason": None}),
    lambda m: m.update(digest="0" * 64),
)


@counts(14, len(TEXTS) + len(CHANGES))
def test_a_manifest_of_another_shape_is_refused_by_one_sentence(clean: Path, tmp_path: Path, count: int) -> None:
    data = Path(shutil.copytree(clean, tmp_path / "data"))
    manifest = read_json(data / "manifest.json", "manifest")
    with Tally("manifests of another shape") as tally:
        for number in range(len(TEXTS) + len(CHANGES)):
            if number % (-(-(len(TEXTS) + len(CHANGES)) // count)):
                continue
            if number < len(TEXTS):
                (data / "manifest.json").write_text(TEXTS[number])
                name = TEXTS[number][:20]
            else:
                changed = json.loads(json.dumps({key: item for key, item in manifest.items() if key != SEAL}))
                CHANGES[number - len(TEXTS)](changed)
                write_sealed(data / "manifest.json", changed)
                name = f"change {number - len(TEXTS)}"
            for command in (("verify", data, "--workers", 0), ("eval", "--data", data, "--network", "input")):
                ended = bench(*command)
                one = len(ended.err.strip().splitlines()) == 1
                tally.case(f"{name}, {command[0]}", ended.refused and one, f"{ended.code} {ended.err[-600:]}")


def rewritten(data: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of the first test shard, and let the manifest agree with them in every digest and sum."""
    manifest = read_json(data / "manifest.json", "manifest")
    facts = next(shard for shard in manifest["shards"] if "/test-" in shard["file"])
    table = change(pq.read_table(data / facts["file"]))
    pq.write_table(table, data / facts["file"])
    facts.update(sha256=sha256_file(data / facts["file"]))
    try:
        facts.update(columns=columns_digest(table.to_pylist()))
        files = [shard["file"] for shard in manifest["shards"] if "/test-" in shard["file"]]
        rows = [row for file in files for row in pq.read_table(data / file).to_pylist()]
        columns = ("key", "degraded_sha256", "clean_sha256")
        manifest["splits"]["test"]["digest"] = sha256_json([[row[name] for name in columns] for row in rows])
    except (KeyError, TypeError):
        facts.pop("columns", None)
    manifest["digest"] = sha256_json([[shard["file"], shard["sha256"]] for shard in manifest["shards"]])
    write_sealed(data / "manifest.json", {key: item for key, item in manifest.items() if key != SEAL})


def with_value(name: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    """Return what puts a value into a column of the first row."""

    def change(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        if isinstance(value, dict):
            rows[0][name] = {**rows[0][name], **value}
        else:
            rows[0][name] = value
        return pa.Table.from_pylist(rows, RECORDS)

    return change


def as_type(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, table.column(name).cast(kind))


SHAPES: dict[str, Callable[[pa.Table], pa.Table]] = {
    **{f"key {key!r}": with_value("key", key) for key in ("/tmp/x/k", "../../x", "a/../b", "", "a//b", "a\x00b", ".x")},
    "key None": with_value("key", None),
    "key too long": with_value("key", "x" * 300),
    **{f"degradation {word!r}": with_value("degradation", word) for word in ("../../x", "a/b", "", None, "\x1b[31m")},
    **{f"source {name!r}": with_value("source", name) for name in ("/etc", "..", None)},
    **{f"split {name!r}": with_value("split", name) for name in ("train", "../test", None)},
    **{f"width {size!r}": with_value("width", size) for size in (0, -1, None)},
    "height None": with_value("height", None),
    "no list of words": with_value("degradations", None),
    "an empty word": with_value("degradations", [None]),
    **{f"path {path!r}": with_value("clean", {"path": path}) for path in ("../../x.sh", "/etc/passwd", "a\nb")},
    "no bytes": with_value("degraded", {"bytes": None}),
    "other bytes": with_value("degraded", {"bytes": b"\x89PNG"}),
    "sha256 None": with_value("degraded_sha256", None),
    "sha256 of letters": with_value("clean_sha256", "x" * 64),
    "a column more": lambda t: t.append_column("more", pa.array([1] * len(t))),
    "a column less": lambda t: t.drop_columns(["seed"]),
    "columns turned": lambda t: t.select(t.column_names[::-1]),
    "keys as bytes": as_type("key", pa.binary()),
    "wide sizes": as_type("width", pa.int64()),
    "seeds as texts": as_type("seed", pa.string()),
    "one key twice": lambda t: pa.concat_tables([t.slice(0, 1), t.slice(0, 1), t.slice(2)]),
}


def test_a_shard_that_promises_endless_rows_is_refused_at_once(clean: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(clean, tmp_path / "data"))
    manifest = read_json(data / "manifest.json", "manifest")
    facts = next(shard for shard in manifest["shards"] if "/test-" in shard["file"])
    with pq.ParquetWriter(data / facts["file"], RECORDS) as writer:
        nothing = pa.Table.from_arrays([pa.nulls(100_000, field.type) for field in RECORDS], schema=RECORDS)
        for _ in range(11):
            writer.write_table(nothing)
    assert (data / facts["file"]).stat().st_size < 1 << 20
    facts.update(sha256=sha256_file(data / facts["file"]))
    manifest["digest"] = sha256_json([[shard["file"], shard["sha256"]] for shard in manifest["shards"]])
    write_sealed(data / "manifest.json", {key: item for key, item in manifest.items() if key != SEAL})
    with pytest.raises(UserError, match="more than 1000000 rows"):
        next(Dataset(data).rows("test"))
    ended = bench("verify", data, "--workers", 0)
    assert ended.code == 1
    assert "more than 1000000 rows" in ended.out


def test_other_images_under_the_digest_of_a_known_test_set_are_refused(clean: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(clean, tmp_path / "data"))
    known = Dataset(data).split("test")["digest"]
    rewritten(data, lambda table: pa.concat_tables([table.slice(2), table.slice(0, 2)]))
    manifest = read_json(data / "manifest.json", "manifest")
    assert manifest["splits"]["test"]["digest"] != known
    assert len(list(Dataset(data).rows("test"))) == 4
    manifest["splits"]["test"]["digest"] = known
    write_sealed(data / "manifest.json", {key: item for key, item in manifest.items() if key != SEAL})
    with pytest.raises(UserError, match="not those that its manifest describes"):
        next(Dataset(data).rows("test"))


@counts(10, len(SHAPES))
def test_a_shard_of_another_shape_is_refused_by_one_sentence(clean: Path, tmp_path: Path, count: int) -> None:
    names = list(SHAPES) if count == len(SHAPES) else list(SHAPES)[:: len(SHAPES) // count]
    with Tally("shards of another shape under a manifest that agrees with them") as tally:
        for name in names:
            data = Path(shutil.copytree(clean, tmp_path / "data"))
            rewritten(data, SHAPES[name])
            ended = bench("eval", "--data", data, "--network", "input", "--leaderboards", tmp_path / "boards")
            tally.case(f"{name}, eval", ended.refused, f"{ended.code} {ended.err[-600:]}")
            told = bench("verify", data, "--workers", 0)
            found = told.code == 1 and "Traceback" not in told.err and "\x1b" not in told.out + told.err
            tally.case(f"{name}, verify", found, f"{told.code} {told.err[-600:]}")
            try:
                shards = [Dataset(data).checked(shard) for shard in Dataset(data).shards("test")]
                held = name in ("no bytes", "other bytes", "one key twice") and bool(shards)
            except UserError as error:
                held = bool(str(error))
            tally.case(f"{name}, opened", held, "a shard was opened")
            shutil.rmtree(data)
