"""The mean-reverting SDE against published numbers, an independent restatement, and its own laws."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.diffusion.clock import forgotten_at, moment, time_at
from models.diffusion.objective import optimum_path_loss, path_error
from models.diffusion.reverse import optimum_state, optimum_std, reverse_mean
from models.diffusion.schedules import SCHEDULES
from models.diffusion.sde import MeanRevertingSDE
from models.errors import UserError

SDE = MeanRevertingSDE()
PAIRS = [(1, 0), (2, 1), (37, 36), (37, 5), (100, 99), (100, 50), (100, 1), (100, 0)]


def wave(frequency: float) -> Tensor:
    values = np.sin(frequency * np.arange(108)).astype(np.float32).reshape(1, 3, 6, 6)
    return torch.from_numpy(values)


@pytest.mark.parametrize("t", [1, 2, 37, 100])
def test_steps_give_the_reference_numbers(t: int, shared: Path) -> None:
    golden = json.loads((shared / "parity" / "golden.json").read_text())["sde"][str(t)]
    clean, degraded, noise = 0.5 + 0.5 * wave(0.3), 0.5 + 0.5 * wave(0.19), wave(0.77)
    state = SDE.diffuse(clean, degraded, t, noise=noise)
    score = SDE.score(noise, t)
    results = {
        "xt": state,
        "sde_mean": reverse_mean(SDE, state, degraded, score, t),
        "ode": reverse_mean(SDE, state, degraded, score, t, deterministic=True),
        "opt": optimum_state(SDE, state, degraded, clean, t),
    }
    for name, result in results.items():
        values = result.double().flatten()
        np.testing.assert_allclose(values[:5], golden[name]["first5"], atol=1e-6, err_msg=name)
        np.testing.assert_allclose(values[-3:], golden[name]["last3"], atol=1e-6, err_msg=name)
        assert float(values.mean()) == pytest.approx(golden[name]["mean"], abs=1e-6)
        assert float(values.std()) == pytest.approx(golden[name]["std"], abs=1e-6)
        assert float(values.abs().sum()) == pytest.approx(golden[name]["abssum"], abs=1e-3)
    error = path_error(SDE, noise, state=state, degraded=degraded, clean=clean, time=t)
    # At t = 1 the published loss is mostly rounding of single precision.
    assert float(error) == pytest.approx(golden["matching_loss_at_true_noise"], rel=1e-3, abs=1e-7)
    assert float(optimum_std(SDE, t)) == pytest.approx(golden["post_std"], rel=1e-4)
    # The estimate multiplies rounding by exp(Theta dt), 200 at the end.
    assert float((SDE.estimate(state, degraded, noise, t) - clean).abs().max()) < 3e-5


@pytest.mark.parametrize("method", ["training", "random_states", "sampler_sde", "sampler_ode", "sampler_posterior"])
@pytest.mark.parametrize("settings", [{"max_sigma": 50, "eps": 0.005}, {"max_sigma": 10, "T": 40, "sample_T": 8}])
def test_single_precision_agrees_with_the_independent_double_precision(
    method: str, settings: dict[str, Any], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(shared / "parity"))
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "parity"))
    import sde_reference  # pyright: ignore[reportMissingImports]
    from builders import call_sde  # pyright: ignore[reportMissingImports]
    from check import flat  # pyright: ignore[reportMissingImports]

    random = np.random.default_rng(0)
    names = ["x0", "mu", "noise", "pred_noise", "xT" if method.startswith("sampler") else "state", "w"]
    inputs: dict[str, Any] = {name: random.standard_normal((2, 3, 5, 4)).astype(np.float32) for name in names}
    steps = settings.get("sample_T", 100)
    inputs["noises"] = random.standard_normal((steps, 2, 3, 5, 4)).astype(np.float32)
    inputs["t"] = np.array([3, steps - 1]).reshape(2, 1, 1, 1)
    case = {"method": method, "kwargs": settings}
    ours, theirs = flat(call_sde(None, case, inputs)), sde_reference.call(None, case, inputs)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        spread = other.std() if other.size > 1 else abs(other)
        assert np.abs(one - other).max() < 5e-4 * spread


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 20, 100])
def test_a_schedule_leaves_eps_of_the_clean_image_at_the_end(name: str, steps: int) -> None:
    sde = MeanRevertingSDE(steps=steps, schedule=name, eps=0.02)
    clean, degraded = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    torch.testing.assert_close(sde.mean(clean, degraded, steps), 0.02 * clean, rtol=1e-5, atol=0)
    assert torch.equal(sde.mean(clean, degraded, 0), clean)
    assert sde.sigma_bars[0] == 0
    assert bool((sde.sigma_bars.diff() > 0).all())


@pytest.mark.parametrize(("time", "earlier"), PAIRS)
def test_the_bridge_carries_the_marginal_of_any_step_to_that_of_any_earlier_step(time: int, earlier: int) -> None:
    clean, degraded = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    mean = optimum_state(SDE, SDE.mean(clean, degraded, time), degraded, clean, time, earlier=earlier)
    # Single precision cancels in 1 - exp(-x) at small times.
    torch.testing.assert_close(mean, SDE.mean(clean, degraded, earlier), rtol=0, atol=2e-4)
    zero = torch.zeros(1, 1, 1, 1)
    kept = optimum_state(SDE, zero + 1, zero, zero, time, earlier=earlier)
    variance = kept**2 * SDE.sigma_bars[time] ** 2 + optimum_std(SDE, time, earlier=earlier) ** 2
    torch.testing.assert_close(variance.squeeze(), SDE.sigma_bars[earlier] ** 2, rtol=3e-4, atol=1e-15)


def test_one_step_an_image_equals_one_image_at_a_time() -> None:
    clean, degraded, noise = (torch.rand(3, 3, 5, 7) for _ in range(3))
    times = torch.tensor([1, 40, 100])
    state = SDE.diffuse(clean, degraded, times, noise=noise)
    together = optimum_state(SDE, state, degraded, clean, times)
    for i, time in enumerate(times.tolist()):
        one = slice(i, i + 1)
        alone = SDE.diffuse(clean[one], degraded[one], time, noise=noise[one])
        assert torch.equal(state[one], alone)
        assert torch.equal(together[one], optimum_state(SDE, alone, degraded[one], clean[one], time))


@pytest.mark.parametrize("sde", [SDE, MeanRevertingSDE(schedule="linear"), SDE.rebuilt(steps=25)])
def test_real_time_agrees_with_the_tables_and_its_clock_can_be_turned_back(sde: MeanRevertingSDE) -> None:
    for time in range(1, sde.last + 1):
        now = moment(sde, time)
        kept = float(torch.exp(-sde.cumulative[time] * sde.dt))
        assert now.kept == pytest.approx(kept, rel=1e-6)
        assert now.spread == pytest.approx(float(sde.sigma_bars[time]), rel=3e-4)
    grid = np.linspace(0.3, sde.last, 57)
    clock = [moment(sde, time).half_log_snr for time in grid]
    assert all(a > b for a, b in itertools.pairwise(clock))
    np.testing.assert_allclose([time_at(sde, snr) for snr in clock], grid, rtol=1e-9)
    halfway = forgotten_at(sde, 3.5)
    assert halfway == pytest.approx((forgotten_at(sde, 3) + forgotten_at(sde, 4)) / 2, rel=1e-12)


def test_settings_build_the_same_process_again() -> None:
    sde = MeanRevertingSDE(steps=30, max_sigma=0.3, schedule="linear", eps=0.01)
    again = MeanRevertingSDE(**json.loads(json.dumps(sde.settings())))
    assert again.settings() == sde.settings()
    assert torch.equal(again.sigma_bars, sde.sigma_bars)
    assert sde.level == 0.3
    assert SDE.level == 50 / 255
    assert SDE.rebuilt(steps=25).time_scale == 4
    assert SDE.rebuilt(steps=25).settings() == SDE.settings()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"steps": 0}, "steps"),
        ({"sample_steps": -1}, "sample_steps"),
        ({"eps": 1.0}, "eps"),
        ({"max_sigma": 0.0}, "max_sigma"),
        ({"schedule": "cosin"}, "'cosine'"),
    ],
)
def test_an_impossible_process_is_a_user_error(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        MeanRevertingSDE(**wrong)


def test_the_loss_has_its_least_value_near_the_true_noise_and_depends_on_the_generator_alone() -> None:
    clean, degraded = torch.rand(8, 3, 16, 16), torch.rand(8, 3, 16, 16)

    def loss(shift: float, *, seed: int = 0, distance: str = "l1") -> float:
        def predict(state: Tensor, mu: Tensor, time: Tensor) -> Tensor:
            assert time.shape == (8,)
            assert 1 <= time.min() <= time.max() <= SDE.steps
            return SDE.noise_in(state, mu, clean, time) + shift

        generator = torch.Generator().manual_seed(seed)
        return float(
            optimum_path_loss(predict, SDE, clean=clean, degraded=degraded, generator=generator, distance=distance)
        )

    for distance in ("l1", "l2"):
        assert loss(0.0, distance=distance) < 0.1 * loss(0.5, distance=distance)
        assert loss(0.0, distance=distance) < 0.1 * loss(-0.5, distance=distance)
    assert loss(0.5) == loss(0.5)
    assert loss(0.5) != loss(0.5, seed=1)
    with pytest.raises(UserError, match="'huber'"):
        loss(0.0, distance="huber")


def test_a_gradient_of_the_loss_reaches_the_network() -> None:
    weight = torch.zeros(1, requires_grad=True)
    images = torch.rand(2, 3, 8, 8)
    loss = optimum_path_loss(
        lambda state, degraded, time: weight * state,
        SDE,
        clean=images,
        degraded=images.flip(0),
        generator=torch.Generator().manual_seed(0),
    )
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.abs() > 0
