"""Caption files hold the digest of their rows: damage is seen, strangers' files are looked at, old ones still open."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_splits import Counting, pictures, texts_for, write_splits

from captioning import run
from captioning.run import caption_dataset
from captioning.sets import current_set
from captioning.tables import FACTS, SCHEMA, read_captions, write_captions
from captioning.titles import parse_titles
from models.errors import UserError
from models.files import write_json

FILLED = dict.fromkeys(SCHEMA.names, "x") | {"caption": 'a "cat"\t\n: =1+1', "text": 'a "cat"\t\n: =1+1: rainy'}
SELF = {"set": "x-1", "digest": "d", "rows": "2", "unique": "2", "unreadable": "0"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A caption file of two rows."""
    write_captions(tmp_path / "train.parquet", [FILLED, {**FILLED, "key": "ü日本\u202e"}], SELF)
    return tmp_path / "train.parquet"


def edited(file: Path, column: str, values: pa.Array) -> None:
    """Change a column and keep all that the file says about itself."""
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.column_names.index(column), column, values), file)


def test_what_is_written_is_read(file: Path) -> None:
    facts, rows = read_captions(file)
    assert facts == SELF
    assert rows == [FILLED, {**FILLED, "key": "ü日本\u202e"}]


@pytest.mark.parametrize("column", SCHEMA.names)
def test_a_changed_field_is_refused(column: str, file: Path) -> None:
    edited(file, column, pa.array(["x", "y"]))
    with pytest.raises(UserError, match="was changed after it was written"):
        read_captions(file)


def test_a_changed_word_about_itself_is_refused(file: Path) -> None:
    table = pq.read_table(file)
    facts = {**(table.schema.metadata or {}), b"unreadable": b"1"}
    pq.write_table(table.replace_schema_metadata(facts), file)
    with pytest.raises(UserError, match="was changed after it was written"):
        read_captions(file)


def test_files_of_before_there_were_seals_open_with_exactly_their_own_words(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata(SELF), file)
    assert read_captions(file)[0] == SELF
    pq.write_table(table.replace_schema_metadata({**SELF, "sfal": "0"}), file)
    with pytest.raises(UserError, match="was changed after it was written"):
        read_captions(file)
    pq.write_table(table.replace_schema_metadata({name: SELF[name] for name in FACTS[:3]}), file)
    with pytest.raises(UserError, match="was changed after it was written"):
        read_captions(file)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda table: table.drop_columns("caption"), "lacks the column caption"),
        (lambda table: with_column(table, "text", pa.array([None, "x"])), "an empty field"),
        (lambda table: with_column(table, "key", pa.array([[1], [2]])), "something else than UTF-8 text"),
        (lambda table: with_column(table, "caption", pa.array([b"\xff", b"x"])), "something else than UTF-8 text"),
        (lambda table: with_column(table, "caption", pa.array(["a dog"] * 2)), "not made from its caption"),
    ],
)
def test_files_of_strangers_are_looked_at(change: Callable[[pa.Table], pa.Table], sentence: str, file: Path) -> None:
    table = pq.read_table(file).replace_schema_metadata({"pandas": "{}"})
    pq.write_table(table, file)
    assert read_captions(file)[0] == {}
    pq.write_table(change(table), file)
    with pytest.raises(UserError, match=sentence):
        read_captions(file)


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def test_a_damaged_set_is_made_anew_from_the_copy_in_use_or_by_captioning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, out = pictures(6), tmp_path / "captions"
    splits = write_splits(tmp_path / "data", data)
    name = caption_dataset(splits, Counting(texts_for(data)), out, pixels=True).set
    kept, copy = out / name / "train.parquet", out / "train.parquet"
    whole = kept.read_bytes()
    edited(kept, "caption", pa.array(["wrong"] * 12))
    again = Counting(texts_for(data))
    caption_dataset(splits, again, out, pixels=True)
    assert (again.seen, kept.read_bytes()) == (0, whole)
    assert f"{kept} is damaged" in caplog.text
    for file in (kept, copy):
        edited(file, "caption", pa.array(["wrong"] * 12))
    caption_dataset(splits, again, out, pixels=True)
    assert (again.seen, kept.read_bytes(), copy.read_bytes()) == (4, whole, whole)  # the test split knows the others


def test_a_damaged_part_of_an_unfinished_run_is_captioned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "UNIT", 4)
    data, out = pictures(13), tmp_path / "captions"
    splits = write_splits(tmp_path / "data", data)
    with pytest.raises(KeyboardInterrupt):
        caption_dataset(splits, Counting(texts_for(data), fail_after=9), out, pixels=True, batch_size=3)
    part, *_ = sorted(out.glob(".*/*.json"))
    part.write_text(part.read_text().replace("picture", "pictura"))
    again = Counting(texts_for(data))
    caption_dataset(splits, again, out, pixels=True, batch_size=2)
    assert again.seen == 5 + 4
    assert "is damaged: its images are captioned again" in caplog.text
    assert set(pq.read_table(out / "train.parquet")["caption"].to_pylist()) == set(texts_for(data).values())


def test_a_damaged_record_of_the_set_in_use_is_refused(tmp_path: Path) -> None:
    data, out = pictures(2), tmp_path / "captions"
    caption_dataset(write_splits(tmp_path / "data", data), Counting(texts_for(data)), out, pixels=True)
    record = json.loads((out / "current.json").read_text())
    for change in ({"set": "other"}, {"seal": "0"}, {"set": "../.."}, {"further": "x"}):
        write_json(out / "current.json", {**record, **change})
        with pytest.raises(UserError, match="delete it and run bench caption again"):
            current_set(out)
    record.pop("seal")
    write_json(out / "current.json", record)  # as before there were seals
    assert current_set(out) == record["set"]
    for name in ("../..", "a/b", "", "..", 3, None):
        write_json(out / "current.json", {**record, "set": name})
        with pytest.raises(UserError):
            current_set(out)


@pytest.mark.parametrize(
    "data",
    [
        b"f\0i\0l\0e\0p\0a\0t\0h\0\t\0t\0i\0t\0l\0e\0\n\0",
        b"\xff\xfef\0i\0l\0e\0",
        b"filepath\ttitle\nx\t\xff: rainy\n",
        b'filepath\ttitle\nx\t"' + b"a" * 200_000 + b": rainy\n",
        b"filepath\ttitle\n" + b"x" * 300_000 + b"\ta: rainy\n",
        b"filepath\ttitle\n\ta: rainy\n",
        b"title\n",
        b"",
        b"\n\n\n",
    ],
)
def test_caption_files_of_strangers_that_are_none_are_one_sentence(data: bytes) -> None:
    with pytest.raises(UserError, match=r"daclip_train\.csv"):
        parse_titles(data, name="daclip_train.csv")
