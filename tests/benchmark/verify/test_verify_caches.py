"""`bench verify` looks at what lies beside the shards: decoded images and captions."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from export_data import build, run

from benchmark.dataset.folder import Dataset
from benchmark.training.cache.read import open_cache


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset with captions and a decoded training split."""
    dataset = build(tmp_path_factory.mktemp("verified"), count=2)
    open_cache(dataset, "train")
    return dataset.folder


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        (".cache/*/pixels.u8", "cache"),
        (".cache/*/index.json", "cache"),
        ("captions/train.parquet", "captions"),
        ("captions/sidecar-*/test.parquet", "captions"),
    ],
)
def test_what_was_changed_is_a_finding(
    pattern: str, kind: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = data.glob(pattern)
    whole = file.read_bytes()
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        captions = ["another caption", *table["caption"].to_pylist()[1:]]
        pq.write_table(table.set_column(table.column_names.index("caption"), "caption", [captions]), file)
    else:
        file.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
    changed = file.read_bytes()
    for number, content in enumerate((changed, whole)):
        file.write_bytes(content)
        run("verify", str(data), "--report", str(tmp_path / str(number)), "--workers", "0")
    report = (tmp_path / "0" / "README.md").read_text(encoding="utf-8")
    assert f"## Error: {kind}" in report
    assert f"## Error: {kind}" not in (tmp_path / "1" / "README.md").read_text(encoding="utf-8")
    assert Dataset(data).captions("train")
