"""What a network's card declares is true: sizes, reach, precision, architecture, and where it comes from."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from small_models import ARCHS, WITHOUT_WEIGHTS

from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build
from models.releases.matching import adapted, matches
from models.vocabulary import DEGRADATIONS

Make = Callable[..., Restorer]
ONE_PASS = [name for name, card in NETWORKS.items() if not card.sampler]
READABLE = [name for name in ONE_PASS if name not in WITHOUT_WEIGHTS and NETWORKS[name].conditioning == "none"]
EXACT = [name for name in ONE_PASS if NETWORKS[name].tiles == "exact"]
HALF = [(name, precision) for name in NETWORKS for precision in NETWORKS[name].half]


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "input"])
def test_a_card_says_where_its_network_comes_from(name: str) -> None:
    card = NETWORKS[name]
    assert card.paper
    assert 1940 < card.year < 2100
    assert card.url.startswith("https://")
    assert card.licence
    assert card.weights_licence
    assert card.tasks
    assert set(card.tasks) <= set(DEGRADATIONS)
    assert card.summary.endswith(".")
    for file in card.files:
        assert file.sha256 is None or (len(file.sha256) == 64 and set(file.sha256) <= set("0123456789abcdef"))


def test_no_released_file_is_claimed_twice_by_one_network() -> None:
    for card in NETWORKS.values():
        digests = [file.sha256 for file in card.files if file.sha256]
        assert len(digests) == len(set(digests))


@pytest.mark.parametrize("name", NETWORKS)
def test_arguments_of_a_network_are_named_and_have_defaults(name: str) -> None:
    cls = NETWORKS.load(name)
    if cls.__init__ is torch.nn.Module.__init__:
        return
    for parameter in inspect.signature(cls).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty


@pytest.mark.parametrize("name", NETWORKS)
def test_a_card_states_what_the_default_architecture_needs(name: str) -> None:
    with torch.device("meta"):
        network = build(name, {})
    assert getattr(network, "multiple_of", NETWORKS[name].multiple_of) == NETWORKS[name].multiple_of


@pytest.mark.parametrize("name", READABLE)
def test_the_architecture_is_read_off_the_keys(name: str) -> None:
    state = build(name, ARCHS[name]).state_dict()
    own = adapted(name, state)
    assert list(own) == list(state)
    again = build(name, NETWORKS.load(name).infer_arch(own)).state_dict()
    assert [(key, value.shape) for key, value in again.items()] == [(key, value.shape) for key, value in state.items()]


@pytest.mark.parametrize("name", READABLE)
def test_weights_are_recognised_as_those_of_their_network(name: str) -> None:
    found = [match.network for match in matches(build(name, ARCHS[name]).state_dict()) if match.agreement == 1]
    # Variants that differ in how they are run, not in their weights, are found as well.
    assert name in found


@pytest.mark.parametrize("name", [name for name, card in NETWORKS.items() if card.reach is not None])
def test_a_reach_is_used_for_exact_tiles(name: str) -> None:
    assert NETWORKS[name].tiles == "exact"


@pytest.mark.parametrize("name", EXACT)
@torch.no_grad()
def test_nothing_beyond_its_reach_changes_when_a_pixel_does(name: str, make: Make) -> None:
    restorer = make(name)
    reach, multiple = restorer.card.reach, restorer.multiple_of
    assert reach is not None
    side = -(-(2 * reach + 40) // multiple) * multiple
    middle = side // 2 // multiple * multiple
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    before = restorer(image)
    for offset in {0, multiple - 1}:
        place = middle + offset
        changed = image.clone()
        changed[..., place, place] = 1 - changed[..., place, place]
        rows = (restorer(changed) - before).abs().amax(dim=(0, 1))
        moved = torch.nonzero(rows > 1e-7 * float(before.abs().max().clamp_min(1)))
        assert len(moved)
        assert int((moved - place).abs().max()) <= reach


@pytest.mark.parametrize("name", EXACT)
def test_exact_tiles_give_the_whole_image(name: str, make: Make) -> None:
    restorer = make(name)
    assert restorer.card.reach is not None
    margin = -(-restorer.card.reach // restorer.multiple_of) * restorer.multiple_of
    tile = 2 * margin + 2 * restorer.multiple_of + 24
    image = torch.rand(3, tile + 29, tile + 50)
    whole = restore(restorer, image)
    tiled = restore(restorer, image, tile=tile)
    torch.testing.assert_close(tiled, whole, atol=1e-5 * max(1.0, float(whole.abs().max())), rtol=1e-5)


@pytest.mark.parametrize(("name", "precision"), HALF)
def test_half_precision_comes_close_to_full(name: str, precision: str, make: Make) -> None:
    restorer = make(name)
    image = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(0))
    full = restore(restorer, image)
    half = restore(restorer, image, precision=precision)  # pyright: ignore[reportArgumentType]
    assert half.dtype == torch.float32
    assert float((half - full).abs().mean()) < 0.01 * max(1.0, float(full.abs().mean()))
