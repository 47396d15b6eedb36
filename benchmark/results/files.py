"""How results lie on disk: JSON with a seal, which holds the digest of the rows beside it, and the rows as Parquet."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.results.provenance import portable
from models.errors import UserError
from models.files import SEAL, atomic_path, check_seal, read_json, sha256_bytes, sha256_file, write_sealed

ROWS = "rows_sha256"
"""The key under which the JSON holds the SHA-256 of the Parquet file of the same stem."""

REMEDY = "put back the file as it was, or delete it and run the command that made it again"

LARGEST = 1 << 28
"""Bytes beyond which a file is no result: the largest that this program writes take a few megabytes."""


def write_with_rows(path: Path, value: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as Parquet and then, last, the JSON that they belong to; both appear whole or not at all."""
    # Both are written under other names first, so that a full disk leaves the old ones as they are.
    with atomic_path(path) as text, atomic_path(path.with_suffix(".parquet")) as table:
        write_rows(table, rows)
        write_sealed(text, {**value, ROWS: sha256_file(table)})
        path.unlink(missing_ok=True)  # a crash between the two files must not pair old numbers with new rows


def check_rows(name: str, rows: Sequence[Mapping[str, Any]], *, n: int) -> None:
    """Refuse per-image rows that are not one for each of `n` images, or that have uneven columns."""
    if len(rows) != n or len({row.get("key") for row in rows}) != n:
        raise UserError(f"{name}: expected one row for each of {n} images, got {len(rows)} rows or repeated keys")
    if any(set(row) != set(rows[0]) or "degradation" not in row for row in rows):
        raise UserError(f"{name}: every row needs the same columns: key, degradation and the metrics")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row an image as Parquet: `key`, `degradation`, then the other columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ["key", "degradation", *[name for name in rows[0] if name not in ("key", "degradation")]]
    pq.write_table(pa.table({name: pa.array([row[name] for row in rows]) for name in columns}), path)


def read_result_json(path: Path, what: str, *, new: Collection[str] = (ROWS,)) -> dict[str, Any]:
    """Read the JSON of a result, compare it with its seal, and return it without.

    Arguments:
        path: The file.
        what: Its role, for the error.
        new: The keys that files without a seal never had: such files were written before there were seals, and one
            with such a key has lost its seal.

    Raises:
        UserError: It cannot be read, or is not what was sealed.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{what} {path} is larger than {LARGEST >> 20} MB: it is another file, or damaged")
        value = read_json(path, what)
        check_seal(value, f"{what} {path}", required=bool(set(new) & set(value)), remedy=REMEDY)
    except FileNotFoundError:
        raise UserError(f"{what} not found: {path}") from None
    except OSError as error:
        raise UserError(f"{what} {path} cannot be read ({error.strerror}): give it back its file and rights") from None
    except RecursionError:
        raise UserError(f"{what} {path} is nested too deeply: {REMEDY}") from None
    return {key: item for key, item in value.items() if key != SEAL}


def is_sealed(path: Path) -> bool:
    """Say whether a JSON file holds a seal; whether it agrees is for `read_result_json` to say."""
    return SEAL in read_json(path, "result")


def read_rows(
    path: Path, *, n: int, sha256: str | None, numbers: Collection[str], texts: Collection[str] = ("key", "degradation")
) -> list[dict[str, Any]] | None:
    """Return the rows of a Parquet file, or None when there is none that belongs to the result.

    Arguments:
        path: The file.
        n: How many rows the result has.
        sha256: The digest that the result holds; None for one of before results held it, to which rows of another
            count do not belong.
        numbers: Columns that may be there, of numbers.
        texts: Columns that must be there, of text.

    Raises:
        UserError: The file is there, but is not the one that was written with the result, cannot be read, or holds
            other columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    try:
        # What is compared is what is read: the file may change in between.
        data = path.read_bytes()
        if sha256 is not None and sha256_bytes(data) != sha256:
            raise UserError(f"{path} was changed after it was written (its result holds another digest): {REMEDY}")
        file = pq.ParquetFile(io.BytesIO(data))
        if file.metadata.num_rows != n:
            if sha256 is None:
                return None
            raise UserError(f"{path} holds {file.metadata.num_rows} rows, but its result {n} images: {REMEDY}")
        check_columns(path, file.schema_arrow, numbers=numbers, texts=texts)
        found = file.read().to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): evaluate the method again") from None
    if len({row["key"] for row in found}) != n or any(None in row.values() for row in found):
        raise UserError(f"{path} names an image twice or lacks a value: {REMEDY}")
    return found


def check_columns(path: Path, schema: Any, *, numbers: Collection[str], texts: Collection[str]) -> None:
    """Refuse a table that is not made of these columns.

    Raises:
        UserError: A column is missing, unknown, twice there or of another type.
    """
    import pyarrow as pa

    names = list(schema.names)
    odd = [name for name in names if name not in numbers and name not in texts]
    odd += [name for name in texts if name not in names] + [name for name in set(names) if names.count(name) > 1]
    for name in () if odd else names:
        kind = schema.field(name).type
        number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
        if not (pa.types.is_string(kind) if name in texts else number):
            odd.append(f"{name} of type {kind}")
    if odd:
        raise UserError(f"{path} has not the columns of a result ({', '.join(map(repr, odd[:3]))}): {REMEDY}")


SCHEMA = 1


_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,159}")


def check_schema(schema: Any, *, where: Path | str | None = None) -> None:
    """Refuse a result that another version of this program wrote in another form."""
    if schema != SCHEMA or isinstance(schema, bool):
        place = f"{where}: " if where is not None else ""
        raise UserError(f"{place}schema is {schema!r}, but this version of the program reads schema {SCHEMA}")


def without_paths(value: Any) -> Any:
    """Shorten the absolute paths in every string of a JSON value."""
    if isinstance(value, str):
        return portable(value)
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    return [without_paths(item) for item in value] if isinstance(value, list) else value


def result_path(leaderboards: Path, *, test_set: str, method: str, kind: str) -> Path:
    """Return where a result lives; `kind` is the protocol id, or "classification".

    Raises:
        UserError: A name cannot be a file name.
    """
    for what, name in (("test set", test_set), ("method", method), ("protocol", kind)):
        if not _FILE_NAME.fullmatch(name):
            raise UserError(
                f"the {what} {name[:200]!a} cannot name a file: use at most 160 letters, digits and . _ + -"
            )
    return leaderboards / "results" / test_set / f"{method}.{kind}.json"


def result_files(leaderboards: Path) -> Iterable[Path]:
    """Return every JSON file below `results`, sorted by path."""
    return sorted((leaderboards / "results").glob("*/*.json"))


def check_place(path: Path, expected: Path) -> None:
    """Refuse a result file whose place and content disagree (copied or renamed by hand)."""
    if (path.parent.name, path.name) != (expected.parent.name, expected.name):
        raise UserError(f"{path}: its content belongs in {expected.parent.name}/{expected.name}")
