"""Captioning a dataset: every unique image once, any interruption, sets side by side, and damage told."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tiny_blip
from small_splits import Counting, pictures, texts_for, write_splits

from captioning import run
from captioning.captioners.hub import HubCaptioner
from captioning.captioners.sidecar import SidecarCaptioner
from captioning.plan import Split, make_plan, read_images
from captioning.run import Unit, caption_dataset
from captioning.sets import current_set
from captioning.stream import Captioned, caption_stream
from models.errors import UserError
from models.files import sha256_bytes, sha256_file


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> HubCaptioner:
    return HubCaptioner(name="tiny", weights=str(tiny_blip.save_blip(tmp_path_factory.mktemp("blip"))))


def digests(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): sha256_file(f) for f in sorted(folder.rglob("*")) if f.is_file()}


def test_each_unique_image_is_captioned_once_across_all_splits(tmp_path: Path) -> None:
    data = pictures(12)
    captioner = Counting(texts_for(data))
    splits = write_splits(tmp_path / "data", data)
    told: list[tuple[int, int]] = []
    outcome = caption_dataset(
        splits, captioner, tmp_path / "captions", pixels=True, progress=lambda done, total: told.append((done, total))
    )
    assert captioner.seen == outcome.captioned == 12
    assert (outcome.rows, outcome.unique) == ({"train": 24, "test": 4}, {"train": 12, "test": 4})
    assert told[0] == (0, 12)
    assert told[-1] == (12, 12)
    rows = pq.read_table(tmp_path / "captions" / "train.parquet").to_pylist()
    assert [row["key"] for row in rows] == [f"{word}/{i}" for word in ("noisy", "rainy") for i in range(12)]
    assert rows[3]["text"] == "picture 3: noisy"
    assert (rows[15]["degradation"], rows[15]["text"]) == ("rainy", "picture 3: rainy, noisy")
    assert rows[15]["clean_sha256"] == sha256_bytes(data[3])
    assert pq.read_table(tmp_path / "captions" / "test.parquet")["caption"].to_pylist() == [
        f"picture {number}" for number in (0, 3, 6, 9)
    ]
    idle = Counting(texts_for(data))
    caption_dataset(splits, idle, tmp_path / "captions", pixels=True)
    assert idle.seen == 0


def test_rows_without_a_list_of_degradations_fall_back_to_the_type(tmp_path: Path) -> None:
    data = pictures(3)
    splits = write_splits(tmp_path / "data", data, degradations=False)
    caption_dataset(splits, SidecarCaptioner(texts_for(data)), tmp_path / "captions", pixels=False)
    texts = pq.read_table(tmp_path / "captions" / "train.parquet")["text"].to_pylist()
    assert texts[3:] == ["picture 0: rainy", "picture 1: rainy", "picture 2: rainy"]


def test_an_interrupted_run_repeats_no_finished_unit_and_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "UNIT", 4)
    data = pictures(13)
    splits = write_splits(tmp_path / "data", data)
    caption_dataset(splits, Counting(texts_for(data)), tmp_path / "whole", pixels=True, batch_size=3)
    broken = Counting(texts_for(data), fail_after=9)
    with pytest.raises(KeyboardInterrupt):
        caption_dataset(splits, broken, tmp_path / "resumed", pixels=True, batch_size=3)
    assert not (tmp_path / "resumed" / "train.parquet").exists()
    again = Counting(texts_for(data))
    outcome = caption_dataset(splits, again, tmp_path / "resumed", pixels=True, batch_size=2)
    assert again.seen == outcome.captioned == 5
    assert digests(tmp_path / "resumed") == digests(tmp_path / "whole")


def test_the_bytes_do_not_depend_on_batch_threads_or_where_units_run(blip: HubCaptioner, tmp_path: Path) -> None:
    data = pictures(70)
    splits = write_splits(tmp_path / "data", data)

    def backwards(units: Sequence[Unit]) -> Iterator[list[Captioned]]:
        """Run the units as a cluster may: in any order, each with a stream of its own."""
        for unit in reversed(units):
            yield list(caption_stream(read_images(unit, pixels=True), blip, batch_size=5, threads=1))

    for name, batch_size, threads, runner in (
        ("one", 1, 1, None),
        ("three", 3, 2, None),
        ("sixteen", 16, 3, None),
        ("elsewhere", 8, 1, backwards),
    ):
        out = tmp_path / name
        caption_dataset(splits, blip, out, pixels=True, batch_size=batch_size, threads=threads, runner=runner)
        assert digests(out) == digests(tmp_path / "one"), name
    assert len(set(pq.read_table(tmp_path / "one" / "train.parquet")["caption"].to_pylist())) > 20


def test_another_captioner_adds_a_set_and_comes_into_use_only_when_told(tmp_path: Path) -> None:
    data = pictures(4)
    splits = write_splits(tmp_path / "data", data)
    out = tmp_path / "captions"
    first = caption_dataset(splits, SidecarCaptioner(texts_for(data, "one")), out, pixels=False)
    before = digests(out)
    other = SidecarCaptioner(texts_for(data, "two"))
    second = caption_dataset(splits, other, out, pixels=False)
    assert second.set != first.set
    assert second.current == current_set(out) == first.set
    assert before.items() <= digests(out).items()
    third = caption_dataset(splits, other, out, pixels=False, replace=True)
    assert (third.captioned, third.current) == (0, second.set)
    assert pq.read_table(out / "train.parquet")["caption"].to_pylist()[:2] == ["two 0", "two 1"]
    assert pq.read_table(out / first.set / "train.parquet")["caption"].to_pylist()[:2] == ["one 0", "one 1"]


def test_captions_of_another_build_are_refused_and_replaced_without_captioning_anew(tmp_path: Path) -> None:
    data = pictures(9)
    out = tmp_path / "captions"
    caption_dataset(write_splits(tmp_path / "old", data[:6]), Counting(texts_for(data)), out, pixels=True)
    splits = write_splits(tmp_path / "new", data)
    captioner = Counting(texts_for(data))
    with pytest.raises(UserError, match=r"train.parquet was made for another build of the dataset: add --replace"):
        caption_dataset(splits, captioner, out, pixels=True)
    assert captioner.seen == 0
    caption_dataset(splits, captioner, out, pixels=True, replace=True)
    assert captioner.seen == 3
    caption_dataset(splits, Counting(texts_for(data)), tmp_path / "fresh", pixels=True)
    assert digests(out) == digests(tmp_path / "fresh")


def test_a_file_of_another_program_is_not_overwritten(tmp_path: Path) -> None:
    data = pictures(2)
    splits = write_splits(tmp_path / "data", data)
    out = tmp_path / "captions"
    out.mkdir()
    pq.write_table(make_foreign_table(), out / "train.parquet")
    before = digests(out)
    with pytest.raises(UserError, match="add --replace"):
        caption_dataset(splits, SidecarCaptioner(texts_for(data)), out, pixels=False)
    assert digests(out) == before


def make_foreign_table():
    import pyarrow as pa

    return pa.table({"key": ["a"], "caption": ["written by hand"]})


def test_damaged_images_are_told_the_others_captioned_and_mended_ones_done_alone(
    blip: HubCaptioner, tmp_path: Path
) -> None:
    data = pictures(10)
    out = tmp_path / "captions"
    whole = write_splits(tmp_path / "data", data)
    splits = write_splits(tmp_path / "data", data, damaged=frozenset({2, 6}))
    outcome = caption_dataset(splits, blip, out, pixels=True, batch_size=4)
    assert [key for key, _ in outcome.unreadable] == ["noisy/2", "noisy/6"]
    assert all("not those that the dataset was built with" in reason for _, reason in outcome.unreadable)
    assert outcome.rows == {"train": 16, "test": 3}
    write_splits(tmp_path / "data", data)
    mended = caption_dataset(splits, blip, out, pixels=True)
    assert (mended.captioned, mended.unreadable, mended.rows) == (2, (), {"train": 20, "test": 4})
    caption_dataset(whole, blip, tmp_path / "fresh", pixels=True)
    assert digests(out) == digests(tmp_path / "fresh")


def test_an_image_that_cannot_be_decoded_leaves_its_neighbours_alone(blip: HubCaptioner, tmp_path: Path) -> None:
    data = [*pictures(3), b"GIF89a no picture", *pictures(2, seed=4)]
    plan = make_plan(write_splits(tmp_path, data))
    found: list[Captioned] = list(caption_stream(read_images(plan.images, pixels=True), blip, batch_size=2))
    assert [item.caption is None for item in found] == [False, False, False, True, False, False]
    assert "not a readable image" in (found[3].reason or "")
    alone = list(caption_stream(read_images(plan.images[:3], pixels=True), blip, batch_size=1))
    assert found[:3] == alone


def test_when_no_image_can_be_read_nothing_is_written(blip: HubCaptioner, tmp_path: Path) -> None:
    splits = write_splits(tmp_path / "data", pictures(3), damaged=frozenset(range(3)))
    with pytest.raises(UserError, match="none of the 3 clean images can be read; the first, noisy/0: its bytes"):
        caption_dataset(splits, blip, tmp_path / "captions", pixels=True)
    assert not list((tmp_path / "captions").rglob("*.parquet"))


def test_a_damaged_or_missing_shard_is_one_sentence(blip: HubCaptioner, tmp_path: Path) -> None:
    splits = write_splits(tmp_path / "data", pictures(12))
    splits["train"].files[1].write_bytes(b"PAR1 broken")
    with pytest.raises(UserError, match=r"shard .*train-00010.parquet cannot be read"):
        caption_dataset(splits, blip, tmp_path / "captions", pixels=True)
    splits["train"].files[1].unlink()
    with pytest.raises(UserError, match=r"shard .*train-00010.parquet is not there"):
        caption_dataset(splits, blip, tmp_path / "captions", pixels=True)


def test_an_empty_split_gets_an_empty_file(tmp_path: Path) -> None:
    outcome = caption_dataset({"test": Split((), "none")}, SidecarCaptioner({}), tmp_path, pixels=False)
    assert outcome.rows == {"test": 0}
    table = pq.read_table(tmp_path / "test.parquet")
    assert table.num_rows == 0
    assert "text" in table.column_names


@pytest.mark.slow
def test_a_run_killed_twenty_times_at_random_ends_with_the_same_bytes(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "made" / "kill_captioning.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "20"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told = re.fullmatch(r"(\d+) trials, (\d+) kills, (\d+) states, all ended with the same bytes\n", done.stdout)
    assert told, done.stdout
    assert int(told[1]) == 20
    assert int(told[2]) >= 15
    assert int(told[3]) >= 3
