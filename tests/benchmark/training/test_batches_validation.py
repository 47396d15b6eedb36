"""Validation batches: every chosen pair once, whole or from the centre, and held-out parts that share nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_cache import SIZES, TYPES, made_cache

from benchmark.training.batches import daclip_validation, held_out, validation_batches
from benchmark.training.batches.validation import chosen_rows
from benchmark.training.cache.read import DecodedCache
from models.errors import UserError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> DecodedCache:
    return made_cache(tmp_path_factory.mktemp("cache"))


def rows_of(batches: list[dict[str, Any]]) -> list[int]:
    return [int(row) for batch in batches for row in batch["index"]]


def test_whole_images_come_once_with_their_type_and_their_pixels(cache: DecodedCache) -> None:
    batches: list[dict[str, Any]] = list(validation_batches(cache))
    assert sorted(rows_of(batches)) == list(range(len(SIZES)))
    assert max(len(batch["index"]) for batch in batches) > 1  # neighbours of one size are together
    for batch in batches:
        for place, row in enumerate(batch["index"].tolist()):
            for role, image in zip(("degraded", "clean"), cache.pair(row), strict=True):
                assert np.array_equal((batch[role][place] * 255).round().permute(1, 2, 0).numpy(), image)
            assert batch["degradation"][place] == TYPES[row % len(TYPES)]


def test_crops_are_from_the_centre_and_smaller_images_are_reflected(cache: DecodedCache) -> None:
    batches: list[dict[str, Any]] = list(validation_batches(cache, size=48, batch_size=2))
    assert sorted(rows_of(batches)) == list(range(len(SIZES)))
    images = {row: image for batch in batches for row, image in zip(rows_of([batch]), batch["clean"], strict=True)}
    assert {tuple(image.shape) for image in images.values()} == {(3, 48, 48)}
    assert {len(set(batch["degradation"])) for batch in batches} == {1}
    centre = cache.clean(0)[11:59, 21:69]
    assert np.array_equal((images[0] * 255).round().permute(1, 2, 0).numpy(), centre)
    # Row 1 is 40 pixels high: eight rows more, mirrored about the last.
    assert torch.equal(images[1][:, 40:], images[1][:, 31:39].flip(1))
    assert torch.equal(images[1][:, :40], torch.from_numpy(cache.clean(1)[:, 8:56].copy()).permute(2, 0, 1) / 255)


def test_some_of_each_type_are_spread_over_its_rows(cache: DecodedCache) -> None:
    chosen = chosen_rows(cache, per_type=2, rows=None)
    assert len(chosen) == 6
    for rows in cache.positions().values():
        mine = [row for row in chosen if row in rows]
        assert mine == [rows[0], rows[len(rows) // 2]]
    assert chosen_rows(cache, per_type=100, rows=[3, 0, 7]) == [0, 7, 3]


@pytest.mark.parametrize("size", [None, 32])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_processes_share_the_pairs_among_them(world_size: int, size: int | None, cache: DecodedCache) -> None:
    shares = [
        rows_of(list(validation_batches(cache, size=size, rank=rank, world_size=world_size)))
        for rank in range(world_size)
    ]
    assert sorted(row for share in shares for row in share) == list(range(len(SIZES)))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_what_is_held_out_shares_no_clean_image_with_the_rest(share: float, cache: DecodedCache) -> None:
    held = set(held_out(cache, share=share).tolist())
    rest = set(range(len(cache))) - held
    images = [{cache.rows[row]["clean"] for row in rows} for rows in (held, rest)]
    assert images[0].isdisjoint(images[1])
    for rows in cache.positions().values():
        assert held & set(rows.tolist())
        assert rest & set(rows.tolist())


def test_what_is_held_out_of_one_type_does_not_hang_on_the_others(cache: DecodedCache, tmp_path: Path) -> None:
    fewer = made_cache(tmp_path)
    fewer.rows = [row for row in fewer.rows if row["degradation"] != "hazy"]
    kept = {fewer.key(row) for row in held_out(fewer, share=0.3).tolist()}
    assert kept == {
        cache.key(row) for row in held_out(cache, share=0.3).tolist() if cache.rows[row]["degradation"] != "hazy"
    }


def test_impossible_shares_are_refused(cache: DecodedCache, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="above 0 and below 1, got 1"):
        held_out(cache, share=1)
    single = made_cache(tmp_path)
    single.rows = [row for row in single.rows if row["key"] != "made/8"]  # leaves one rainy pair
    with pytest.raises(UserError, match="rainy has a single clean image"):
        held_out(single, share=0.5)


@pytest.mark.parametrize("world_size", [1, 2])
def test_daclip_validation_mixes_types_and_shows_every_image_once(world_size: int, cache: DecodedCache) -> None:
    def of(rank: int, world: int) -> list[dict[str, Any]]:
        captions = [f"image {number}" for number in range(len(cache))]
        return list(
            daclip_validation(
                cache,
                captions,
                image_size=32,
                context_length=77,
                batch_size=4,
                rank=rank,
                world_size=world,
            )
        )

    whole = of(0, 1)
    assert sorted(rows_of(whole)) == list(range(len(SIZES)))
    assert [len(batch["index"]) for batch in whole] == [4, 4, 3]
    assert min(len(set(batch["label"].tolist())) for batch in whole) >= 2
    parts = [of(rank, world_size) for rank in range(world_size)]
    for step, batch in enumerate(whole):
        for name in ("image", "text", "label", "index"):
            assert torch.equal(torch.cat([part[step][name] for part in parts]), batch[name])
    assert tuple(whole[0]["image"].shape) == (4, 3, 32, 32)
    with pytest.raises(UserError, match="cannot be shared by 4 processes"):
        of(0, 4)
