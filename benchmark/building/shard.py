"""Writing one Parquet shard in bounded memory."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.building.plan import GROUP_BYTES, GROUP_ROWS
from benchmark.dataset.schema import RECORDS


class ShardWriter:
    """Takes rows one by one and writes a row group whenever enough bytes or rows have come together.

    Images are compressed already and are not compressed again. A clean image that several rows of a row group share is
    stored once in it (Parquet's dictionary encoding, which every reader undoes by itself).

    Arguments:
        file: The Parquet file to write.
    """

    def __init__(self, file: Path) -> None:
        compression: Any = {name: "zstd" for name in RECORDS.names if name not in ("degraded", "clean", "degradations")}
        compression |= {"degradations.list.element": "zstd"}
        compression |= {f"{role}.{part}": codec for role in ("degraded", "clean") for part, codec in _PARTS.items()}
        self._writer = pq.ParquetWriter(
            file,
            RECORDS,
            compression=compression,
            use_dictionary=["clean.bytes", "degradation", "source", "split"],  # pyright: ignore[reportArgumentType]
            dictionary_pagesize_limit=2 * GROUP_BYTES,
            write_statistics=["key"],  # pyright: ignore[reportArgumentType]
        )
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self._empty = True

    def add(self, record: dict[str, Any]) -> None:
        """Take one row as `benchmark.dataset.schema.RECORDS` describes it."""
        self._rows.append(record)
        self._bytes += len(record["degraded"]["bytes"]) + len(record["clean"]["bytes"])
        if self._bytes >= GROUP_BYTES or len(self._rows) == GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, RECORDS))
        self._rows, self._bytes, self._empty = [], 0, False

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, where: TracebackType | None
    ) -> None:
        if kind is None and (self._rows or self._empty):
            self._flush()
        self._writer.close()


_PARTS = {"bytes": "none", "path": "zstd"}
