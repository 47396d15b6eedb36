"""Which pair stands in which slot of which batch, and which slots are whose."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from models.errors import UserError, close_match

Sampling = Literal["uniform", "proportional"] | Mapping[str, float]


class Sizes(Protocol):
    """Sizes that hold from a step on, as the phases of a recipe."""

    @property
    def from_step(self) -> int:
        """First step."""
        ...

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels."""
        ...

    @property
    def batch_size(self) -> int:
        """Pairs a step, over all processes."""
        ...


@dataclass(frozen=True)
class FixedSizes:
    """The same sizes from the first step on."""

    patch_size: int
    batch_size: int
    from_step: int = 0


def own_slots(batch_size: int, *, rank: int, world_size: int) -> slice:
    """Return the slots of the whole batch that process `rank` of `world_size` takes: a contiguous part.

    Raises:
        UserError: There are more processes than pairs in a batch.
    """
    if batch_size < world_size:
        raise UserError(
            f"a batch of {batch_size} cannot be shared by {world_size} processes: take a larger batch_size "
            "or fewer processes"
        )
    return slice(rank * batch_size // world_size, (rank + 1) * batch_size // world_size)


def sizes_at(phases: Sequence[Sizes], step: int) -> Sizes:
    """Return the phase that a step belongs to."""
    return next(phase for phase in reversed(phases) if phase.from_step <= step)


def pairs_before(phases: Sequence[Sizes], step: int) -> int:
    """Return the pairs that all steps before `step` take together."""
    ends = [phase.from_step for phase in phases[1:]] + [step]
    return sum(
        max(min(end, step) - phase.from_step, 0) * phase.batch_size for phase, end in zip(phases, ends, strict=True)
    )


def without(positions: Mapping[str, np.ndarray], exclude: Iterable[int]) -> dict[str, np.ndarray]:
    """Return the row numbers of each type without those that are held out.

    Raises:
        UserError: Nothing of a type would be left.
    """
    held = np.asarray(sorted(exclude), dtype=np.int64)
    left = {word: rows[~np.isin(rows, held)] for word, rows in positions.items()}
    for word, rows in left.items():
        if not len(rows):
            raise UserError(f"no pair of {word} is left to train on: hold out a smaller share for validation")
    return left


class Order:
    """The row in every place of the endless sequence of pairs that batches are cut from.

    Arguments:
        positions: The row numbers of each type, in the order in which types take turns.
        sampling: "uniform": types take turns, whatever their number of pairs, and a pair is drawn from the type;
            "proportional": all pairs in a new random order each epoch; weights: a type is drawn with a probability
            proportional to its weight, and a pair from the type.
        seed: Of the order.

    Raises:
        UserError: The weights do not name the types of the data, each once, or are no weights.
    """

    def __init__(self, positions: Mapping[str, np.ndarray], *, sampling: Sampling, seed: int) -> None:
        self._types = list(positions.values())
        self._rows = np.sort(np.concatenate(self._types))
        self._seed = seed
        self._kind = sampling if isinstance(sampling, str) else "weighted"
        if self._kind not in ("uniform", "proportional", "weighted"):
            raise UserError(f"sampling must be uniform, proportional or a weight for each type, got {sampling!r}")
        self._edges = np.ones(0)
        if not isinstance(sampling, str):
            self._edges = _edges(list(positions), sampling)
        self._epoch = functools.lru_cache(maxsize=2)(self._shuffled)

    def row(self, number: int, generator: np.random.Generator) -> int:
        """Return the row of a place.

        Arguments:
            number: The place in the sequence, from 0.
            generator: Of the batch; where pairs are drawn, from this one.
        """
        if self._kind == "proportional":
            epoch, place = divmod(number, len(self._rows))
            return int(self._epoch(epoch)[place])
        turn = number % len(self._types)
        if self._kind == "weighted":
            turn = int(np.searchsorted(self._edges, generator.random(), side="right"))
        rows = self._types[turn]
        return int(rows[generator.integers(len(rows))])

    def _shuffled(self, epoch: int) -> np.ndarray:
        # The one keeps this generator apart from that of a step: NumPy takes a missing number for a zero.
        return np.random.default_rng([self._seed, epoch, 1]).permutation(self._rows)


def _edges(types: Sequence[str], weights: Mapping[str, float]) -> np.ndarray:
    """Return the upper ends of the types' parts of [0, 1); a type of weight zero has none."""
    for word in weights:
        if word not in types:
            raise UserError(f"sampling names {word!r}, which the data does not hold{close_match(word, types)}")
    for word in types:
        if word not in weights:
            raise UserError(f"sampling has no weight for {word}: give each type one, 0 to leave it out")
    values = np.asarray([float(weights[word]) for word in types])
    if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        raise UserError(f"sampling needs weights of zero or more, at least one above zero, got {dict(weights)}")
    edges = np.cumsum(values) / values.sum()
    edges[np.flatnonzero(values)[-1] :] = 1.0  # rounding must not leave a gap below 1
    return edges
