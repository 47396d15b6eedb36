"""Tiles: every pixel once, what neighbours share, and which shape is best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_inference import LOCAL, Local

from models.errors import UserError
from models.inference.restore import restore, tile_difference
from models.inference.restorer import Restorer
from models.inference.tiles import Fit, apply_in_tiles, area, best_tile, count, spans
from models.networks import NETWORKS
from models.networks.padding import Padding

Make = Callable[..., Restorer]
NO_TILES = [name for name, card in NETWORKS.items() if card.tiles == "no"]


def exact(reach: int, multiple: int = 1, least: int = 1) -> Fit:
    return Fit(padding=Padding(multiple_of=multiple, minimum_size=least), reach=reach)


@given(
    multiple=st.sampled_from([1, 2, 4, 8, 12, 16]),
    reach=st.integers(0, 40),
    extra=st.integers(1, 20),
    count=st.integers(1, 60),
)
def test_exact_tiles_use_every_pixel_once_and_see_all_its_surroundings(
    multiple: int, reach: int, extra: int, count: int
) -> None:
    plain = exact(reach, multiple)
    size, tile = count * multiple, plain.least - multiple + extra * multiple
    fit = replace(plain, tile=(tile, tile))
    found = spans(size, tile, fit)
    assert found[0].first == 0
    assert found[-1].last == size
    assert all(one.last == following.first for one, following in pairwise(found))
    for span in found:
        assert span.end - span.begin <= tile
        assert span.begin % multiple == span.end % multiple == 0
        assert span.first - span.begin >= reach or span.begin == 0
        assert span.end - span.last >= reach or span.end == size
        assert span.last > span.first


@given(
    multiple=st.sampled_from([1, 4, 16]), overlap=st.integers(0, 48), extra=st.integers(1, 9), count=st.integers(1, 60)
)
def test_blended_tiles_cover_a_side_and_overlap_by_what_was_asked(
    multiple: int, overlap: int, extra: int, count: int
) -> None:
    plain = Fit(padding=Padding(multiple_of=multiple), overlap=overlap)
    size, tile = count * multiple, plain.least - multiple + extra * multiple
    found = spans(size, tile, replace(plain, tile=(tile, tile)))
    assert (found[0].begin, found[-1].end) == (0, size)
    for one, following in pairwise(found):
        assert one.end - following.begin >= overlap
        assert one.begin < following.begin
    assert len({span.end - span.begin for span in found}) == 1


@pytest.mark.parametrize("multiple", [1, 8])
@pytest.mark.parametrize("size", [(150, 230), (64, 200), (201, 65)])
def test_tiles_that_overlap_by_the_reach_equal_the_whole_up_to_rounding(size: tuple[int, int], multiple: int) -> None:
    restorer = Restorer(name=LOCAL, network=Local(multiple_of=multiple, reach=4)).eval()
    image = torch.rand(2, 3, *size)
    whole = restore(restorer, image)
    for tile in (40, (32, 96), (96, 32)):
        torch.testing.assert_close(restore(restorer, image, tile=tile), whole, atol=1e-6, rtol=0)
    short = Restorer(name=LOCAL, network=Local(multiple_of=multiple, reach=0)).eval()
    assert not torch.allclose(restore(short, image, tile=40), whole, atol=1e-4)


@pytest.mark.parametrize("reach", [None, 6])
@pytest.mark.parametrize("tile", [None, (64, 64), (40, 128), (500, 48)])
def test_pieces_and_pixels_are_counted_as_they_are_computed(tile: tuple[int, int] | None, reach: int | None) -> None:
    sizes = []

    def identity(part: torch.Tensor) -> torch.Tensor:
        sizes.append(part.shape[2] * part.shape[3])
        return part

    fit = Fit(padding=Padding(multiple_of=8), tile=tile, overlap=16, reach=reach)
    image = torch.rand(1, 3, 120, 200)
    shares: list[float] = []
    torch.testing.assert_close(apply_in_tiles(identity, image, fit, progress=shares.append), image)
    assert shares == [done / len(sizes) for done in range(1, len(sizes))]
    assert (len(sizes), sum(sizes)) == (count((120, 200), fit), area((120, 200), fit))


def test_the_best_tile_computes_fewer_pixels_than_a_square_one() -> None:
    fit = exact(30, 8)
    size, pixels = (2160, 4096), 300_000
    tile = best_tile(size, pixels, fit)
    assert tile is not None
    assert tile[0] * tile[1] <= pixels
    square = int(pixels**0.5) // 8 * 8
    assert area(size, replace(fit, tile=tile)) <= area(size, replace(fit, tile=(square, square)))
    assert best_tile(size, 4000, fit) is None


def test_a_long_image_is_cut_across_only() -> None:
    tile = best_tile((64, 6400), 64 * 1000, exact(10, 8))
    assert tile is not None
    assert tile[0] == 64
    assert tile[1] > 900


def test_tiles_that_are_too_small_are_refused_with_the_least_there_is() -> None:
    with pytest.raises(UserError, match=r"at least 104.*overlap by 80"):
        Fit(padding=Padding(multiple_of=8, minimum_size=104), reach=40, tile=(88, 88))


@pytest.mark.parametrize("name", NO_TILES)
def test_a_network_that_needs_the_whole_image_refuses_tiles(name: str, make: Make) -> None:
    restorer = make(name)
    with pytest.raises(UserError, match="needs to see the whole image"):
        restore(restorer, torch.rand(3, 300, 200), tile=128)


def test_the_difference_that_tiles_make_is_told_in_grey_levels() -> None:
    image = torch.rand(3, 150, 130)
    good = Restorer(name=LOCAL, network=Local(reach=4)).eval()
    found = tile_difference(good, image, tile=64)
    assert found is not None
    assert found[0] < 1e-3
    wrong = Restorer(name=LOCAL, network=Local(reach=0)).eval()
    found = tile_difference(wrong, image, tile=64)
    assert found is not None
    assert found[0] > 1
    assert 0 < found[1] < found[0]
    assert tile_difference(good, image, tile=160) is None


def test_constant_networks_come_out_constant_however_tiles_blend() -> None:
    fit = Fit(padding=Padding(), tile=(48, 40), overlap=17)
    ones = torch.ones(1, 3, 130, 97)
    torch.testing.assert_close(apply_in_tiles(lambda part: part, ones, fit), ones)
