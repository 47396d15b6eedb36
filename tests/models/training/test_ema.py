"""Moving averages: the rule of the authors' package and our own, against independent restatements."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from models.training.ema import MovingAverage, decay_after
from models.training.recipe import Ema

AUTHORS = Ema(decay=0.995, every=10, rule="ema-pytorch")


class Restated:
    """The published average, written from its description, in float64 and with its own counters."""

    def __init__(self, value: float, *, beta: float, every: int) -> None:
        self.shadow, self.calls, self.started = value, 0, False
        self.beta, self.every = beta, every

    def update(self, value: float) -> None:
        call = self.calls
        self.calls += 1
        if call % self.every != 0:
            return
        if call <= 100:
            self.shadow = value
            return
        if not self.started:
            self.shadow, self.started = value, True
        age = max(self.calls - 100 - 1, 0)
        decay = 0.0 if age <= 0 else min(max(1 - (1 + age) ** (-2 / 3), 0.0), self.beta)
        self.shadow += (1 - decay) * (value - self.shadow)


def walk(steps: int) -> Iterator[float]:
    generator = torch.Generator().manual_seed(0)
    value = 0.0
    for _ in range(steps):
        value += float(torch.randn((), generator=generator, dtype=torch.float64))
        yield value


@pytest.mark.parametrize(("beta", "every"), [(0.995, 10), (0.9, 1), (0.999, 7), (0.995, 100), (0.99, 101), (0.8, 300)])
def test_the_authors_rule_is_that_of_their_package(beta: float, every: int) -> None:
    module = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    module.weight.data.fill_(5.0)
    ours = MovingAverage(module, Ema(decay=beta, every=every, rule="ema-pytorch"))
    theirs = Restated(5.0, beta=beta, every=every)
    for step, value in enumerate(walk(5000), start=1):
        module.weight.data.fill_(value)
        ours.update(step)
        theirs.update(value)
        assert ours.state["weight"].item() == pytest.approx(theirs.shadow, abs=1e-9), step


def test_the_authors_decay_grows_to_its_end() -> None:
    assert [decay_after(step, AUTHORS) for step in (1, 2, 10, 11, 101, 111)] == [0, None, None, 0, 0, 0]
    assert decay_after(121, AUTHORS) == pytest.approx(1 - 21 ** (-2 / 3))
    grown = [d for step in range(1, 4001, 10) if (d := decay_after(step, AUTHORS)) is not None]
    assert grown == sorted(grown)
    # 1 - (1 + e)^(-2/3) reaches 0.995 at e = 2828.
    assert decay_after(2921, AUTHORS) == pytest.approx(1 - 2821 ** (-2 / 3))
    assert decay_after(2931, AUTHORS) == 0.995


@pytest.mark.parametrize("every", [1, 10])
def test_our_own_rule_counts_updates(every: int) -> None:
    settings = Ema(decay=0.9, every=every)
    found = [decay_after(step, settings) for step in range(1, 200 * every + 1)]
    assert all(d is None for i, d in enumerate(found, start=1) if i % every)
    assert [d for d in found if d is not None] == [min(0.9, u / (9 + u)) for u in range(1, 201)]


@pytest.mark.parametrize("rule", ["counted", "ema-pytorch"])
def test_an_average_continues_from_a_saved_one(rule: str) -> None:
    settings = Ema.model_validate({"decay": 0.95, "every": 3, "rule": rule})
    values = list(walk(400))

    def follow(average: MovingAverage, module: nn.Linear, start: int, stop: int) -> None:
        for step in range(start, stop):
            module.weight.data.fill_(values[step])
            average.update(step + 1)

    module, start = nn.Linear(1, 1, bias=False, dtype=torch.float64), 5.0
    module.weight.data.fill_(start)
    whole = MovingAverage(module, settings)
    follow(whole, module, 0, 400)
    for cut in (50, 102, 103, 250):
        module.weight.data.fill_(start)
        first = MovingAverage(module, settings)
        follow(first, module, 0, cut)
        second = MovingAverage(module, settings)
        second.load(first.state)
        follow(second, module, cut, 400)
        assert torch.equal(second.state["weight"], whole.state["weight"]), cut
