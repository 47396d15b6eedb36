"""Restoration batches: the published order and augmentation, the same for any number of processes and threads."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_cache import SIZES, made_cache

from benchmark.training.batches import daclip_batches, restoration_batches
from benchmark.training.batches.order import pairs_before
from benchmark.training.cache.read import DecodedCache
from models.errors import UserError
from models.training.settings import Phase

PHASES = [
    Phase(from_step=0, patch_size=16, batch_size=8),
    Phase(from_step=3, patch_size=32, batch_size=5),
    Phase(from_step=4, patch_size=48, batch_size=4),
]
SAMPLINGS: list[Any] = ["uniform", "proportional", {"noisy": 1, "hazy": 2, "rainy": 0.5}]
Batch = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> DecodedCache:
    return made_cache(tmp_path_factory.mktemp("cache"))


def take(cache: DecodedCache, count: int = 6, *, start: int = 0, **options: Any) -> list[Batch]:
    settings: dict[str, Any] = {"batch_size": 7, "patch_size": 48, "seed": 3, **options}
    batches = restoration_batches(cache, start=start, **settings)
    return list(itertools.islice(batches, count))


def same(first: Batch, second: Batch) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def joined(parts: list[Batch]) -> Batch:
    assert len({int(part["seed"]) for part in parts if "seed" in part}) <= 1
    return {
        name: torch.cat([part[name] for part in parts]) if value.ndim else value for name, value in parts[0].items()
    }


def plain(cache: DecodedCache, step: int, *, batch_size: int, size: int, seed: int) -> tuple[torch.Tensor, int]:
    """Return the images of a batch in the plain way, one whole pair after the other by NumPy, and the seed."""
    generator = np.random.default_rng([seed, step])
    types = list(cache.positions().values())
    crops = []
    for slot in range(batch_size):
        rows = types[(step * batch_size + slot) % len(types)]
        both = np.stack(cache.pair(int(rows[generator.integers(len(rows))])))
        short = [max(size - n, 0) for n in both.shape[1:3]]
        if any(short):
            mode = "reflect" if all(s < n for s, n in zip(short, both.shape[1:3], strict=True)) else "symmetric"
            both = np.pad(both, ((0, 0), (0, short[0]), (0, short[1]), (0, 0)), mode=mode)
        top, left = (int(generator.integers(n - size + 1)) for n in both.shape[1:3])
        crop = both[:, top : top + size, left : left + size]
        horizontal, vertical, transpose = generator.random(3) < 0.5
        crop = crop[:, :, ::-1] if horizontal else crop
        crop = crop[:, ::-1] if vertical else crop
        crops.append(crop.transpose(0, 2, 1, 3) if transpose else crop)
    images = torch.from_numpy(np.stack(crops, axis=1).copy()).permute(0, 1, 4, 2, 3).float().div_(255)
    return images, int(generator.integers(2**62))


@pytest.mark.parametrize("size", [8, 24, 64])
def test_batches_are_those_of_the_plain_way_to_the_bit(size: int, cache: DecodedCache) -> None:
    for step, batch in enumerate(take(cache, 12, patch_size=size)):
        images, drawn = plain(cache, step, batch_size=7, size=size, seed=3)
        assert torch.equal(batch["degraded"], images[0])
        assert torch.equal(batch["clean"], images[1])
        assert int(batch["seed"]) == drawn
        assert batch["degraded"].is_contiguous()


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_processes_and_threads_change_nothing(
    world_size: int, workers: int, sampling: Any, cache: DecodedCache
) -> None:
    alone = take(cache, phases=PHASES, sampling=sampling, second_crop=True)
    ranks = [
        take(
            cache,
            phases=PHASES,
            sampling=sampling,
            second_crop=True,
            rank=rank,
            world_size=world_size,
            workers=workers,
        )
        for rank in range(world_size)
    ]
    for step, whole in enumerate(alone):
        parts = [rank[step] for rank in ranks]
        assert same(joined(parts), whole)
        lengths = [len(part["index"]) for part in parts]
        assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_a_later_start_continues_the_same_batches(sampling: Any, cache: DecodedCache) -> None:
    whole = take(cache, 8, phases=PHASES, sampling=sampling)
    for start in range(1, 8):
        later = take(cache, 8 - start, start=start, phases=PHASES, sampling=sampling, workers=2)
        assert all(same(first, second) for first, second in zip(whole[start:], later, strict=True))


def test_phases_set_the_sizes_and_count_their_pairs(cache: DecodedCache) -> None:
    shapes = [tuple(batch["degraded"].shape) for batch in take(cache, 6, phases=PHASES)]
    assert shapes == [(8, 3, 16, 16)] * 3 + [(5, 3, 32, 32)] + [(4, 3, 48, 48)] * 2
    assert [pairs_before(PHASES, step) for step in range(7)] == [0, 8, 16, 24, 29, 33, 37]


def test_uniform_sampling_gives_every_type_the_same_number_of_slots(cache: DecodedCache) -> None:
    index = torch.cat([batch["index"] for batch in take(cache, 30, batch_size=10, patch_size=8)])
    counts = [int(torch.isin(index, torch.from_numpy(rows)).sum()) for rows in cache.positions().values()]
    assert counts == [100, 100, 100]


def test_proportional_sampling_takes_every_pair_once_an_epoch(cache: DecodedCache) -> None:
    batches = take(cache, 2 * len(SIZES), batch_size=5, patch_size=8, sampling="proportional")
    epochs = torch.cat([batch["index"] for batch in batches]).view(-1, len(SIZES))
    assert all(sorted(epoch.tolist()) == list(range(len(SIZES))) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == len(epochs) == 10


def test_weighted_sampling_follows_the_weights(cache: DecodedCache) -> None:
    weights = {"noisy": 3.0, "hazy": 1.0, "rainy": 0.0}
    index = torch.cat([batch["index"] for batch in take(cache, 200, batch_size=20, patch_size=8, sampling=weights)])
    shares = {
        word: float(torch.isin(index, torch.from_numpy(r)).float().mean()) for word, r in cache.positions().items()
    }
    assert shares["rainy"] == 0
    assert abs(shares["noisy"] - 0.75) < 4 * (0.75 * 0.25 / 4000) ** 0.5


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"noisy": 1, "hazy": 1, "rany": 1}, "did you mean 'rainy'"),
        ({"noisy": 1, "hazy": 1}, "no weight for rainy"),
        ({"noisy": 0, "hazy": 0, "rainy": 0}, "above zero"),
        ("uniformly", "uniform, proportional"),
    ],
)
def test_weights_that_do_not_fit_the_types_are_refused(weights: Any, told: str, cache: DecodedCache) -> None:
    with pytest.raises(UserError, match=told):
        take(cache, sampling=weights)


def test_a_second_crop_is_another_patch_of_the_same_images_and_changes_nothing_else(cache: DecodedCache) -> None:
    for alone, both in zip(take(cache, patch_size=16), take(cache, patch_size=16, second_crop=True), strict=True):
        second = both.pop("degraded_2")
        assert same(alone, both)
        assert second.shape == alone["degraded"].shape
        assert not torch.equal(second, alone["degraded"])
        for row, patch in zip(both["index"], second, strict=True):
            values = set(np.unique(cache.degraded(int(row))).tolist())
            assert set((patch * 255).round().int().unique().tolist()) <= values


def test_channels_last_moves_the_memory_and_no_value(cache: DecodedCache) -> None:
    for plain_, last in zip(take(cache), take(cache, channels_last=True), strict=True):
        assert same(plain_, last)
        assert last["clean"].is_contiguous(memory_format=torch.channels_last)
        assert not last["clean"].is_contiguous()


def test_held_out_rows_are_never_seen(cache: DecodedCache) -> None:
    batches = take(cache, 40, patch_size=8, exclude=[0, 2, 6])
    index = torch.cat([batch["index"] for batch in batches])
    assert set(index.tolist()) == set(range(len(SIZES))) - {0, 2, 6}
    with pytest.raises(UserError, match="no pair of rainy"):
        take(cache, exclude=cache.positions()["rainy"])


def test_more_processes_than_pairs_are_refused(cache: DecodedCache) -> None:
    with pytest.raises(UserError, match="a batch of 4 cannot be shared by 5 processes"):
        take(cache, phases=PHASES, world_size=5)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_daclip_batches_are_the_same_for_any_number_of_processes(
    world_size: int, workers: int, cache: DecodedCache
) -> None:
    def of(rank: int, world: int, workers: int) -> list[Batch]:
        batches = daclip_batches(
            cache,
            [f"image {number}" for number in range(len(cache))],
            batch_size=5,
            image_size=32,
            context_length=77,
            flips=True,
            seed=4,
            start=1,
            clean=True,
            exclude=[4],
            rank=rank,
            world_size=world,
            workers=workers,
        )
        return list(itertools.islice(batches, 4))

    ranks = [of(rank, world_size, workers) for rank in range(world_size)]
    for step, whole in enumerate(of(0, 1, 0)):
        assert same(joined([rank[step] for rank in ranks]), whole)
        assert 4 not in whole["index"]


def test_an_error_in_a_thread_reaches_the_caller(tmp_path: Path) -> None:
    broken = made_cache(tmp_path)
    broken.rows[3]["clean"] = 10**9
    with pytest.raises(ValueError, match="reshape"):
        take(broken, 20, workers=2)
