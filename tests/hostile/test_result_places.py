"""Names out of datasets, zips and results never become places outside the folder that was named."""

from __future__ import annotations

import json
import shutil
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trials import Tally, bench

from benchmark.evaluation.cluster import Unit, read_unit
from benchmark.evaluation.pairs import image_file
from benchmark.evaluation.submission.pictures import LARGEST, MOST, open_pictures
from models.errors import UserError
from models.files import SEAL, write_json
from models.images.pixels import encode_png

ESCAPES = (
    "../x",
    "../../x",
    "a/../../x",
    "/tmp/x/k",
    "//x",
    "a//b",
    "..",
    ".",
    "",
    ".hidden",
    "a/.hidden",
    "./x",
    "a\\..\\..\\x",
    "C:\\x",
    "a\0b",
    "a\nb",
    "a\x1b[31mb",
    "a\u202eb",
    "x" * 300,
    "a/" + "y" * 300,
    "link/x",
)


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_keys_that_lead_out_of_the_folder_of_images(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (images / "link").symlink_to(tmp_path / "elsewhere")
    with Tally("keys that lead out of --save-images") as tally:
        for key in ESCAPES:
            try:
                found = image_file(images, key)
            except UserError as error:
                tally.case(repr(key), "images" in str(error), str(error))
            else:
                tally.case(repr(key), False, f"led to {found}")
    assert image_file(images, "lol/test/22") == images / "lol/test/22.png"


def dataset_with_key(folder: Path, key: str) -> Path:
    """Build a dataset and give one of its rows another key, in shard and manifest alike, as a stranger could."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from eval_data import eval_dataset

    from models.files import sha256_file, sha256_json

    eval_dataset(folder, rows=1)
    manifest = json.loads((folder / "manifest.json").read_text())
    rows = []
    for shard in manifest["shards"]:
        path = folder / shard["file"]
        table = pq.read_table(path)
        keys = pa.array([key if old == "made/hazy/0" else old for old in table["key"].to_pylist()])
        table = table.set_column(table.schema.get_field_index("key"), table.schema.field("key"), keys)
        pq.write_table(table, path)
        shard["sha256"] = sha256_file(path)
        shard.pop("columns", None)
        shard["bytes"] = path.stat().st_size
        rows += table.select(["key", "degraded_sha256", "clean_sha256"]).to_pylist()
    digest = sha256_json([[row["key"], row["degraded_sha256"], row["clean_sha256"]] for row in rows])
    manifest["splits"]["test"]["digest"] = digest
    manifest.pop(SEAL, None)
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.mark.parametrize("key", ["../../../../outside", "/tmp/bench-outside/k"])
def test_the_command_writes_no_image_outside_its_folder(tmp_path: Path, key: str) -> None:
    data = dataset_with_key(tmp_path / "deep" / "data", key)
    images = tmp_path / "deep" / "inside" / "images"
    before = set(files_below(tmp_path))
    ended = bench("eval", "--data", data, "--save-images", images, "--leaderboards", tmp_path / "boards")
    assert ended.refused, ended
    new = {path for path in set(files_below(tmp_path)) - before if not path.startswith("boards")}
    assert new == set()
    assert not Path("/tmp/bench-outside").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_zips(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    image = encode_png(pixels)
    outside = tmp_path / "secret.png"
    outside.write_bytes(image)
    link = zipfile.ZipInfo("b.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    nested = tmp_path / "inner.zip"
    with zipfile.ZipFile(nested, "w") as archive:
        archive.writestr("a.png", image)
    cases: dict[str, list[tuple[Any, bytes]]] = {
        "dots": [("../secret.png", image)],
        "dots inside": [("a/../../secret.png", image)],
        "an absolute name": [(str(outside), image)],
        "a backslash": [("..\\secret.png", image)],
        "a control character": [("a\x1b.png", image)],
        "a link": [(link, str(outside).encode())],
        "a zip in the zip": [("inner.zip", nested.read_bytes())],
        "two of one name": [("a.png", image), ("a.png", image)],
        "names that differ in the ending": [("a.png", image), ("a.jpg", image)],
        "no image": [("a.txt", b"text")],
        "no members": [],
    }
    with Tally("members of zips that are no plain images") as tally:
        for name, members in cases.items():
            place = tmp_path / "theirs.zip"
            with zipfile.ZipFile(place, "w") as archive:
                for member, data in members:
                    archive.writestr(member, data)
            tally.case(name, *_refused(place))
        bomb = tmp_path / "bomb.zip"
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", bytes(1 << 20))
        promised = bytearray(bomb.read_bytes())
        size = promised.index(b"PK\x01\x02") + 24
        promised[size : size + 4] = (2 * LARGEST).to_bytes(4, "little")
        bomb.write_bytes(promised)
        tally.case("a bomb", *_refused(bomb))
        crowd = tmp_path / "crowd.zip"
        with zipfile.ZipFile(crowd, "w") as archive:
            archive.writestr("a.png", image)
        data = crowd.read_bytes()
        start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
        entries = data[start:end] * (MOST + 1)
        large = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, MOST + 1, MOST + 1, len(entries), start)
        place_of_large = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(entries), 1)
        last = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        crowd.write_bytes(data[:start] + entries + large + place_of_large + last)
        tally.case("a crowd", *_refused(crowd))
        whole = tmp_path / "whole.zip"
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", image)
        data = whole.read_bytes()
        start = data.index(b"a.png") + 5
        locked = bytearray(data)
        locked[6] |= 1
        locked[data.index(b"PK\x01\x02") + 8] |= 1
        for name, changed in {
            "a torn member": data[:start] + bytes(20) + data[start + 20 :],
            "a torn list": data[: data.index(b"PK\x01\x02")] + data[data.index(b"PK\x01\x02") + 20 :],
            "an unknown compression": data.replace(b"\x08\x00", b"\x63\x00"),
            "encrypted": bytes(locked),
        }.items():
            whole.write_bytes(changed)
            tally.case(name, *_refused(whole))


def _refused(place: Path) -> tuple[bool, str]:
    clean = place.parent / "clean"
    clean.mkdir(exist_ok=True)
    (clean / "a.png").write_bytes(encode_png(np.full((16, 16, 3), 9, np.uint8)))
    (clean / "b.png").write_bytes(encode_png(np.full((16, 16, 3), 9, np.uint8)))
    options = ("--restored", place, "--clean", clean, "--protocol", "modern", "--allow-missing")
    ended = bench("eval", *options, "--leaderboards", place.parent / "boards")
    return ended.refused, f"{ended.code} {ended.out}{ended.err}"[-800:]


def test_a_restored_image_that_changes_while_it_is_scored_is_refused(tmp_path: Path) -> None:
    """The digest in a result is that of the bytes that were scored."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(encode_png(np.zeros((16, 16, 3), np.uint8)))
    pictures = open_pictures(tmp_path)
    pictures.digests(["a", "b"])
    (tmp_path / "a.png").write_bytes(encode_png(np.ones((16, 16, 3), np.uint8)))
    assert pictures.pixels("b").max() == 0
    with pytest.raises(UserError, match=r"a\.png changed while it was scored"):
        pictures.pixels("a")


def test_a_shard_of_another_folder_is_read_by_no_actor(tmp_path: Path) -> None:
    from eval_data import eval_dataset

    from benchmark.dataset.folder import Dataset

    data = Dataset(eval_dataset(tmp_path / "data", rows=1))
    shard = data.shards("test")[0]
    shutil.copy(shard, tmp_path / "other.parquet")
    for file in ("../../other.parquet", str(tmp_path / "other.parquet"), "../data/x.parquet"):
        with pytest.raises(UserError):
            list(read_unit(data, Unit(file=file, group=0, keys=("made/hazy/0",))))
