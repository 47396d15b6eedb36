"""The audit as a whole: damage of every kind is found and never stops it, the report, the exit status."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_pairs import MadePair, build, photos, right_pairs

from benchmark.building import plan
from benchmark.building.run import build_dataset
from benchmark.cli import main
from benchmark.dataset.folder import Dataset
from benchmark.dataset.schema import RECORDS
from benchmark.sources.demo import read as demo
from benchmark.verify import report as reports
from benchmark.verify.report import write_report
from benchmark.verify.run import OtherSet, verify
from models.errors import UserError
from models.images.pixels import decode


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of ten synthetic types in both splits, in several shards."""
    out = tmp_path_factory.mktemp("sound") / "dataset"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SHARD_ROWS", 9)
        build_dataset(list(demo(None))[::100], out, recipe={})
    return out


@pytest.fixture
def copied(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "copy")
    return tmp_path / "copy"


def faulty(out: Path) -> Dataset:
    """A dataset with a fault of many kinds each."""
    pairs = [*right_pairs("noisy", 12), *right_pairs("rainy", 12)]
    pairs[0], pairs[1] = replace(pairs[0], clean=pairs[1].clean), replace(pairs[1], clean=pairs[0].clean)
    pairs[14] = replace(pairs[14], degraded=pairs[14].clean)
    pairs.append(replace(pairs[5], key="again"))
    pairs.append(MadePair("trained", "noisy", pairs[7].degraded[::-1].copy(), pairs[7].clean, split="train"))
    return build(pairs, out)


def rewrite(shard: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the rows of a shard and leave the manifest as it is."""
    rows = pq.read_table(shard).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, RECORDS), shard)


def kinds(folder: Path) -> set[str]:
    return {finding.kind for finding in verify(Dataset(folder)).findings}


def test_a_sound_dataset_has_no_findings_whatever_the_workers(sound: Path) -> None:
    audits = [verify(Dataset(sound), workers=workers) for workers in (0, 2)]
    assert audits[0].findings == []
    assert audits[0].checked["specs"] == audits[0].checked["pairs"] == 26
    assert audits[0].checked["shards"] == 4
    assert audits[0].to_json(Dataset(sound)) == audits[1].to_json(Dataset(sound))


def test_findings_do_not_depend_on_the_workers(tmp_path: Path, sound: Path) -> None:
    data = faulty(tmp_path / "d")
    others = [OtherSet.open(sound)]
    one, two = (verify(data, against=others, workers=workers) for workers in (0, 2))
    assert one.to_json(data) == two.to_json(data)
    assert {f.kind for f in one.findings} >= {"swapped-partner", "same-picture", "duplicate-pair", "leak", "overlap"}
    assert [f.level for f in one.findings] == sorted((f.level for f in one.findings), key="error leak suspicion".find)


def test_progress_reaches_the_number_of_pairs_and_other_images(sound: Path, tmp_path: Path) -> None:
    other = OtherSet.open(build(right_pairs("noisy", 5), tmp_path / "o").folder)
    seen: list[int] = []
    verify(Dataset(sound), against=[other], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 26 + 5


def exchange_seed(rows: list[dict[str, Any]]) -> None:
    rows[0]["seed"] = 77


def unknown_spec(rows: list[dict[str, Any]]) -> None:
    rows[0]["spec"] = "vapour()"


def other_bytes(rows: list[dict[str, Any]]) -> None:
    rows[0]["degraded"]["bytes"] += b"x"


def no_image(rows: list[dict[str, Any]]) -> None:
    rows[0]["clean"] = None


def other_size(rows: list[dict[str, Any]]) -> None:
    rows[0]["width"] += 1


def empty_key(rows: list[dict[str, Any]]) -> None:
    rows[0]["key"] = None


def other_split(rows: list[dict[str, Any]]) -> None:
    rows[0]["split"] = "test" if rows[0]["split"] == "train" else "train"


def one_key_twice(rows: list[dict[str, Any]]) -> None:
    rows[0]["key"] = rows[1]["key"]


def a_row_less(rows: list[dict[str, Any]]) -> None:
    del rows[3]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (exchange_seed, {"spec"}),
        (unknown_spec, {"spec"}),
        (other_bytes, {"bytes"}),
        (no_image, {"bytes", "decoding"}),
        (other_size, {"size"}),
        (empty_key, {"row"}),
        (other_split, {"row"}),
        (one_key_twice, {"row", "spec"}),
        (a_row_less, {"row"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_each_damage_to_a_row_is_told_by_its_kind(change: Any, expected: set[str], copied: Path) -> None:
    rewrite(next(iter(sorted((copied / "data").glob("train-*")))), change)
    assert kinds(copied) - {"shard"} - ({"row"} - expected) == expected
    assert "shard" in kinds(copied)


def test_the_audit_survives_any_flipped_bytes(copied: Path) -> None:
    shard = sorted((copied / "data").glob("train-*"))[1]
    whole = shard.read_bytes()
    generator = np.random.default_rng(1)
    for trial in range(25):
        data = bytearray(whole)
        # Every other time near the end, where the footer with all offsets lies.
        places = generator.integers(0 if trial % 2 else len(data) - 3000, len(data), 5)
        for place in places:
            data[place] ^= int(generator.integers(1, 256))
        shard.write_bytes(bytes(data))
        audit = verify(Dataset(copied))
        assert {"where": f"data/{shard.name}", "what": "its bytes are not those of the manifest"} in audit.problems
        assert audit.checked["pairs"] >= 26 - 9


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(500) + b"PAR1"], ids=["empty", "cut", "hollow"])
def test_an_unreadable_shard_is_a_finding_and_the_others_are_checked(content: bytes, copied: Path) -> None:
    shard = sorted((copied / "data").glob("train-*"))[0]
    shard.write_bytes(content)
    audit = verify(Dataset(copied))
    assert any(p["where"] == f"data/{shard.name}" and "cannot be read as Parquet" in p["what"] for p in audit.problems)
    assert audit.checked["pairs"] == 26 - 9


def test_other_columns_are_told(copied: Path) -> None:
    shard = sorted((copied / "data").glob("train-*"))[0]
    pq.write_table(pa.table({"key": ["a"]}), shard)
    problems = verify(Dataset(copied)).problems
    assert {"where": f"data/{shard.name}", "what": "its columns are not those of this schema"} in problems


def test_the_report_shows_each_finding_with_its_images(tmp_path: Path) -> None:
    data = faulty(tmp_path / "d")
    audit = verify(data)
    write_report(audit, data, data.folder / "verify")
    table = pq.read_table(data.folder / "verify" / "findings.parquet").to_pylist()
    page = (data.folder / "verify" / "README.md").read_text()
    assert [(r["level"], r["kind"], r["where"]) for r in table] == [(f.level, f.kind, f.where) for f in audit.findings]
    for row, finding in zip(table, audit.findings, strict=True):
        pixels = decode((data.folder / "verify" / row["picture"]).read_bytes())
        assert pixels.shape == (128, len(finding.images) * 132 - 4, 3)
        assert f"]({row['picture']})" in page
    swapped = next(r for r in table if r["kind"] == "swapped-partner")
    assert swapped["images"] == ["degraded", "clean", "fits better"]
    pixels = decode((data.folder / "verify" / swapped["picture"]).read_bytes())
    assert np.array_equal(pixels[:, :128], right_pairs("noisy", 12)[0].degraded)
    assert np.array_equal(pixels[:, 132:260], photos(12)[1])
    assert np.array_equal(pixels[:, 264:], photos(12)[0])


def test_pictures_are_limited_and_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "PICTURES", 2)
    data = faulty(tmp_path / "d")
    audit = verify(data)
    write_report(audit, data, tmp_path / "r")
    assert len(list((tmp_path / "r" / "thumbnails").iterdir())) == 2
    count = len(audit.findings)
    assert f"the first 2 of {count} findings" in (tmp_path / "r" / "README.md").read_text()


def test_a_new_report_replaces_the_old_one_and_what_a_killed_one_left(tmp_path: Path, sound: Path) -> None:
    data = faulty(tmp_path / "d")
    folder = tmp_path / "r"
    write_report(verify(data), data, folder)
    (tmp_path / ".r.partial" / "thumbnails").mkdir(parents=True)
    (tmp_path / ".r.partial" / "thumbnails" / "half.png").write_bytes(b"half")
    good = Dataset(sound)
    write_report(verify(good), good, folder)
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "findings.parquet"]
    assert "Nothing was found." in (folder / "README.md").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d", "r"]


def test_a_folder_with_other_things_is_not_replaced(tmp_path: Path, sound: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    data = Dataset(sound)
    with pytest.raises(UserError, match=r"holds thesis\.txt, which is no part of a report"):
        write_report(verify(data), data, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "dear"


def status(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--workers", "0", *(str(argument) for argument in arguments)])
    return int(ended.value.code or 0)


def test_the_exit_status_tells_errors_and_with_strict_all_findings(
    tmp_path: Path, sound: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = right_pairs("hazy", 8)
    twice = build([*pairs, replace(pairs[3], key="again")], tmp_path / "twice").folder
    broken = faulty(tmp_path / "broken").folder
    assert status(sound, "--strict", "--report", tmp_path / "r", "--json", tmp_path / "a.json") == 0
    assert json.loads((tmp_path / "a.json").read_text())["findings"] == []
    assert f"report: {tmp_path / 'r' / 'README.md'}" in capsys.readouterr().out
    assert status(twice) == 0
    assert "no errors, no leaks, 1 suspicion" in capsys.readouterr().out
    assert status(twice, "--strict") == 1
    assert status(broken) == 1
    assert status(sound, "--against", sound, "--report", tmp_path / "r") == 2
    assert "the dataset itself" in capsys.readouterr().err
    assert status(sound, "--against", tmp_path / "absent", "--report", tmp_path / "r") == 2


def test_the_hugging_face_stack_does_not_take_the_report_for_data(tmp_path: Path) -> None:
    data = faulty(tmp_path / "d")
    write_report(verify(data), data, data.folder / "verify")
    code = f"import datasets; d = datasets.load_dataset({str(data.folder)!r}, cache_dir={str(tmp_path / 'c')!r}); "
    code += "print({name: len(split) for name, split in d.items()})"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'train': 1, 'test': 25}"
