"""Rows of a dataset survive Parquet."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from benchmark.building.record import make_record
from benchmark.dataset.schema import RECORDS
from benchmark.sources.samples import Sample
from models.images.pixels import decode, encode_png
from models.vocabulary import DEGRADATIONS, SPLITS


class Picture:
    """A small picture made from numbers."""

    def __init__(self, seed: int, width: int, height: int) -> None:
        self.name = self.fingerprint = f"{seed}-{width}-{height}"
        self._pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)

    def read(self) -> bytes:
        return encode_png(self._pixels)


samples = st.builds(
    Sample,
    key=st.text(min_size=1, max_size=30),
    degradation=st.sampled_from(DEGRADATIONS),
    split=st.sampled_from(SPLITS),
    source=st.just("demo"),
    clean=st.builds(Picture, st.integers(0, 9), st.integers(8, 20), st.integers(8, 20)),
    spec=st.sampled_from(["noise(sigma=50)", "jpeg(quality=10)", "noise(sigma=5) | jpeg(quality=30)"]),
    seed=st.integers(0, 2**62),
)


@given(samples)
def test_a_record_survives_parquet_and_regenerates_itself(sample: Sample) -> None:
    record = make_record(sample)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([record], RECORDS), buffer)
    (row,) = pq.read_table(buffer).to_pylist()
    assert row == record
    again = make_record(Sample(**{**sample.__dict__, "seed": row["seed"], "spec": row["spec"], "key": row["key"]}))
    assert again == record
    assert decode(row["degraded"]["bytes"]).shape == (row["height"], row["width"], 3)
