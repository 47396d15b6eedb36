"""Laws of the samplers, against networks whose answer is known exactly."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from oracles import Counted, CountedNoise, Predict, gaussian, gaussian_flow
from torch import Tensor

from models.diffusion.clock import moment, time_at
from models.diffusion.grids import GRIDS, grid, uniform_log_snr
from models.diffusion.noise import KeyedNoise
from models.diffusion.samplers import SAMPLERS
from models.diffusion.sampling import integrate, make_sampler, sample
from models.diffusion.sde import MeanRevertingSDE
from models.errors import UserError

SDE = MeanRevertingSDE()
FORMS = [(name, form) for name, card in SAMPLERS.items() for form in card.predictions]
# Euler steps do not end at the estimate of the clean image; all others do.
ENDING = [(name, form) for name, form in FORMS if name not in ("sde", "ode")]
MEAN, STD = 0.3, 0.15


def images(*, batch: int = 1, size: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand((batch, 3, size, size), generator=generator, dtype=torch.float64)


def log_snr_path(steps: int, *, end: float) -> list[float]:
    first, last = (moment(SDE, time).half_log_snr for time in (100.0, end))
    return [100.0, *(time_at(SDE, float(snr)) for snr in np.linspace(first, last, steps + 1)[1:-1]), end]


@pytest.mark.parametrize(("name", "form"), FORMS)
@pytest.mark.parametrize("nfe", [1, 2, 7, 100])
def test_the_network_is_asked_exactly_as_often_as_said_at_falling_times_it_knows(
    name: str, form: str, nfe: int
) -> None:
    network, told = Counted(gaussian(SDE, mean=MEAN, std=STD)), []
    noise = CountedNoise()
    restored = sample(network, SDE, images(), noise=noise, sampler=name, nfe=nfe, prediction=form, progress=told.append)
    assert told == list(range(1, nfe + 1))
    assert len(network.times) == nfe
    assert network.times[0] == 100
    assert all(later > earlier for later, earlier in itertools.pairwise(network.times))
    assert network.times[-1] >= 1
    assert restored.isfinite().all()
    # One draw for the start, and one for each step that is not the last or for all.
    assert noise.draws in ((nfe, nfe + 1) if SAMPLERS[name].stochastic else (1,))


@pytest.mark.parametrize(("name", "form"), ENDING)
@pytest.mark.parametrize("nfe", [1, 2, 10])
def test_a_perfect_network_recovers_the_clean_image_in_any_number_of_evaluations(
    name: str, form: str, nfe: int
) -> None:
    clean, degraded = images(), images().flip(3)

    def predict(state: Tensor, mu: Tensor, time: Tensor) -> Tensor:
        now = moment(SDE, float(time[0]))
        return (state - mu - now.kept * (clean - mu)) / now.spread

    restored = sample(predict, SDE, degraded, noise=CountedNoise(), sampler=name, nfe=nfe, prediction=form)
    # Posterior sampling reads the single-precision tables: 39 times their rounding at the start of the path.
    torch.testing.assert_close(restored, clean, rtol=0, atol=1e-4 if name == "posterior" else 1e-9)


@pytest.mark.parametrize("form", ["data", "noise"])
@pytest.mark.parametrize("end", [1.0, 5.5])
@pytest.mark.parametrize("order", [1, 2])
def test_an_ode_sampler_converges_to_the_exact_flow_with_its_order(order: int, end: float, form: str) -> None:
    degraded = images()
    state = SDE.start(degraded, noise=CountedNoise().draw((3, 8, 8)))
    exact = gaussian_flow(SDE, state, degraded, mean=MEAN, std=STD, start=100, end=end)
    errors = []
    for steps in (32, 64, 128):
        found = integrate(
            gaussian(SDE, mean=MEAN, std=STD),
            SDE,
            degraded,
            state=state,
            sampler=make_sampler(f"mr-ode-{order}", SDE, prediction=form),
            times=log_snr_path(steps, end=end),
            noise=CountedNoise(),
        )
        errors.append(float((found - exact).abs().max()))
    slopes = np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.all(np.abs(slopes - order) < 0.08), slopes
    assert errors[-1] < (0.02, 5e-4)[order - 1]


class Impulses:
    """Noise that is 1 in image i at draw i and 0 elsewhere: shows what each draw adds to the result."""

    def __init__(self, count: int) -> None:
        self._count, self._draw = count, 0

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        noise = torch.zeros((self._count, *shape), dtype=torch.float64)
        noise[self._draw] = 1
        self._draw += 1
        return noise


def exact_std(name: str, *, nfe: int, times: list[float] | None = None) -> float:
    """Standard deviation of what a sampler returns for Gaussian data: it is linear in its independent draws."""
    degraded = torch.full((nfe + 1, 1, 1, 1), MEAN, dtype=torch.float64)
    network = gaussian(SDE, mean=MEAN, std=STD)
    added = sample(network, SDE, degraded, noise=Impulses(nfe + 1), sampler=name, nfe=nfe, times=times) - MEAN
    return float(added.square().sum().sqrt())


@pytest.mark.parametrize(("name", "order", "bound"), [("mr-sde-1", 1, 7e-3), ("mr-sde-2", 2, 5e-4)])
def test_an_sde_sampler_converges_to_the_spread_of_the_data_with_its_order(name: str, order: int, bound: float) -> None:
    errors = [abs(exact_std(name, nfe=nfe, times=uniform_log_snr(SDE, nfe)) - STD) for nfe in (25, 50, 100)]
    slopes = np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.all(np.abs(slopes - order) < 0.25), slopes
    assert errors[-1] < bound


def test_the_published_samplers_reach_the_spread_of_the_data_in_all_their_steps() -> None:
    # One step at a time they are of first order: posterior sampling gives too little, Euler-Maruyama too much.
    assert -0.0065 < exact_std("posterior", nfe=100) - STD < 0
    assert 0 < exact_std("sde", nfe=100) - STD < 0.0025


@pytest.mark.parametrize(("name", "form"), [(n, f) for n, f in FORMS if SAMPLERS[n].stochastic])
def test_a_stochastic_sampler_gives_the_mean_of_the_data(name: str, form: str) -> None:
    degraded = torch.full((1, 3, 250, 250), 0.6, dtype=torch.float64)
    network = gaussian(SDE, mean=MEAN, std=STD)
    restored = sample(network, SDE, degraded, noise=CountedNoise(), sampler=name, nfe=50, prediction=form)
    # Five standard errors of 187 500 pixels, and Euler's own error (0.003 at 50 steps).
    assert float(restored.mean()) == pytest.approx(MEAN, abs=5 * STD / 187500**0.5 + (0.004 if name == "sde" else 0))


@pytest.mark.parametrize("name", ["posterior", "mr-sde-1", "mr-sde-2"])
def test_states_on_the_way_to_a_known_image_have_the_exact_marginal(name: str) -> None:
    degraded = torch.full((1, 3, 250, 250), 0.6, dtype=torch.float64)
    first, last = moment(SDE, 100), moment(SDE, 30)
    start = degraded + first.kept * (MEAN - degraded) + first.spread * CountedNoise().draw((3, 250, 250))
    found = integrate(
        gaussian(SDE, mean=MEAN, std=0.0),
        SDE,
        degraded,
        state=start,
        sampler=make_sampler(name, SDE),
        times=[100, 80, 45, 30],
        noise=CountedNoise(),
    )
    # Five standard errors: 187 500 independent pixels.
    count = found.numel()
    assert float(found.mean()) == pytest.approx(0.6 + last.kept * (MEAN - 0.6), abs=5 * last.spread / count**0.5)
    assert float(found.std()) == pytest.approx(last.spread, abs=5 * last.spread / (2 * count) ** 0.5)


@pytest.mark.parametrize("times", [[float(t) for t in range(100, -1, -1)], [100.0, 60.0, 33.0, 5.0, 0.0]])
def test_first_order_data_prediction_is_posterior_sampling(times: list[float]) -> None:
    network = gaussian(SDE, mean=MEAN, std=STD)
    one, other = (
        sample(network, SDE, images(), noise=CountedNoise(), sampler=name, times=times)
        for name in ("posterior", "mr-sde-1")
    )
    # Up to the single precision of the published tables.
    torch.testing.assert_close(one, other, rtol=0, atol=2e-4)


def test_the_two_first_order_ode_forms_are_the_same_step() -> None:
    network = gaussian(SDE, mean=MEAN, std=STD)
    data, noise = (
        sample(network, SDE, images(), noise=CountedNoise(), sampler="mr-ode-1", nfe=9, prediction=form)
        for form in ("data", "noise")
    )
    torch.testing.assert_close(data, noise, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_a_result_depends_on_key_and_seed_but_not_on_batch_or_order(name: str, form: str) -> None:
    degraded = images(batch=3).float()

    def network(state: Tensor, mu: Tensor, time: Tensor) -> Tensor:
        return 3 * (state - mu) + 0.1 * torch.cos(time).reshape(-1, 1, 1, 1) * mu

    def restore(keys: str, *, seed: int = 0) -> Tensor:
        batch = degraded[["abc".index(key) for key in keys]]
        return sample(network, SDE, batch, noise=KeyedNoise(keys, seed=seed), sampler=name, nfe=5, prediction=form)

    together = restore("abc")
    assert torch.equal(restore("cba").flip(0), together)
    assert torch.equal(torch.cat([restore(key) for key in "abc"]), together)
    assert torch.equal(restore("abc"), together)
    assert not torch.equal(restore("abc", seed=1), together)


def test_keyed_noise_is_standard_normal_and_independent_between_keys_seeds_and_steps() -> None:
    source = KeyedNoise(["a", "b"], seed=1)
    draws = torch.cat([source.draw((3, 100, 100)), source.draw((3, 100, 100)), KeyedNoise(["a"]).draw((3, 100, 100))])
    flat = draws.flatten(1)
    assert flat.mean(1).abs().max() < 5 / 30000**0.5
    assert (flat.std(1) - 1).abs().max() < 5 / 60000**0.5
    correlations = torch.corrcoef(flat) - torch.eye(5)
    assert correlations.abs().max() < 5 / 30000**0.5


def test_a_rebuilt_schedule_tells_the_network_the_times_it_was_trained_with() -> None:
    sde = SDE.rebuilt(steps=20)
    network = Counted(gaussian(sde, mean=MEAN, std=STD))
    sample(network, sde, images(), noise=CountedNoise())
    assert network.times == [float(time) for time in range(100, 0, -5)]


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("nfe", [1, 2, 33, 100])
def test_a_grid_falls_from_the_last_step_to_zero(name: str, nfe: int) -> None:
    times = grid(name, SDE, nfe=nfe)
    assert len(times) == nfe + 1
    assert times[0] == 100
    assert times[-1] == 0
    assert times[-2] >= 1 - 1e-12


def test_half_precision_images_are_restored_in_single_precision_and_not_clamped() -> None:
    bright: Predict = lambda state, degraded, time: (state - degraded) - 5  # noqa: E731
    for name in SAMPLERS:
        restored = sample(bright, SDE, images().half(), noise=KeyedNoise("a"), sampler=name, nfe=100)
        assert restored.dtype == torch.float32
        assert restored.max() > 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sampler": "posteriour"}, "'posterior'"),
        ({"nfe": 0}, "give 1 or more"),
        ({"nfe": 101}, "has 100 steps"),
        ({"times": [100, 50]}, "down to 0"),
        ({"times": [100, 50, 50, 0]}, "down to 0"),
        ({"times": [120, 0]}, "at most 100"),
        ({"times": [100, 33.3, 0]}, "whole steps"),
        ({"times": [100, 50, 0], "nfe": 3}, "need 2"),
        ({"sampler": "sde", "prediction": "data"}, "it has noise"),
        ({"sampler": "mr-ode-2", "prediction": "velocity"}, "data and noise"),
    ],
)
def test_an_impossible_wish_is_a_user_error_before_the_network_is_asked(wrong: dict[str, Any], message: str) -> None:
    network, noise = Counted(gaussian(SDE, mean=MEAN, std=STD)), CountedNoise()
    with pytest.raises(UserError, match=message):
        sample(network, SDE, images(), noise=noise, **wrong)
    assert not network.times
    assert not noise.draws


def test_the_catalogue_of_samplers_does_not_import_torch() -> None:
    code = "import sys, models.diffusion.samplers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
