"""Small datasets of made-up images for tests of the card and of publishing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.building import plan
from benchmark.building.run import build_dataset
from benchmark.dataset.folder import Dataset
from benchmark.sources.samples import FileImage, Rejected, Sample
from models.files import write_json
from models.images.pixels import encode_png


def small_dataset(
    out: Path,
    *,
    sources: tuple[str, ...] = ("gopro", "lol"),
    rows: int = 5,
    seed: int = 0,
    rejected: tuple[Rejected, ...] = (),
) -> Path:
    """Build a dataset with `rows` pairs of each source in train and 2 in test, in shards of at most 3 rows."""
    words = {"gopro": "motion-blurry", "lol": "low-light", "custom": "foggy"}
    generator = np.random.default_rng(seed)
    images = out.with_name(f"{out.name}-images")
    images.mkdir(parents=True)
    samples = []
    for source in sources:
        for index in range(rows + 2):
            files = [images / f"{source}-{index}-{role}.png" for role in ("clean", "degraded")]
            for file in files:
                file.write_bytes(encode_png(generator.integers(0, 256, (24, 32, 3)).astype(np.uint8)))
            split = "train" if index < rows else "test"
            clean, degraded = (FileImage(file) for file in files)
            key = f"{source}/{split}/{index}"
            samples.append(Sample(key, words[source], split, source, clean=clean, degraded=degraded))
    recipe = {"preset": None, "sources": [{"name": source} for source in sources]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SHARD_ROWS", 3)
        build_dataset(samples, out, recipe=recipe, rejected=rejected)
    return out


def write_captions(folder: Path, *, captioner: str = "namer", current: bool = True) -> None:
    """Write captions of every split as `bench caption` does: a folder of their own, and copies when they are in use."""
    data, top = Dataset(folder), folder / "captions"
    own = top / f"{captioner}-0"
    own.mkdir(parents=True)
    for split in data.manifest["splits"]:
        rows = [
            {
                "key": row["key"],
                "caption": f"a picture called {row['key']}",
                "degradation": row["degradation"],
                "text": f"a picture called {row['key']}: {row['degradation']}",
                "captioner": captioner,
                "revision": "1",
                "settings": "{}",
                "clean_sha256": row["clean_sha256"],
            }
            for row in data.index(split)
        ]
        pq.write_table(pa.Table.from_pylist(rows), own / f"{split}.parquet")
        if current:
            shutil.copy(own / f"{split}.parquet", top)
    if current:
        write_json(top / "current.json", {"set": own.name})
