"""Groups of images and the metrics of whole groups, with what has to be said beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmark.metrics import METRICS
from models.errors import UserError

Rows = Mapping[str, tuple[np.ndarray | None, np.ndarray | None]]


@dataclass(frozen=True)
class SetScore:
    """A metric of a set of images.

    Arguments:
        value: The number.
        n: How many images are in the set.
        ci95: Bounds of its 95 % interval, where it has one.
        warning: A sentence that has to stand beside it, or an empty one.
    """

    value: float
    n: int
    ci95: tuple[float, float] | None = None
    warning: str = ""


class FeatureSets:
    """The features of restored images and of their clean ones, by group and key."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, tuple[np.ndarray | None, np.ndarray | None]]] = {}

    def refuse_twice(self, group: str, key: str) -> None:
        """Raise a UserError when a group has an image of this name already."""
        if key in self._groups.get(group, ()):
            raise UserError(f"{group}/{key}: scored twice; every image of a group needs a name of its own")

    def add(self, group: str, key: str, restored: np.ndarray | None, clean: np.ndarray | None) -> None:
        """Add an image; its features are None where no metric needs them.

        Raises:
            UserError: The group has an image of this name already.
        """
        self.refuse_twice(group, key)
        self._groups.setdefault(group, {})[key] = (restored, clean)

    def scores(self, group: str, names: Iterable[str]) -> dict[str, SetScore]:
        """Return the metrics of these names of a group.

        Raises:
            UserError: The group is unknown or has fewer than two images.
        """
        if group not in self._groups:
            raise UserError(f"nothing was scored in the group {group!r} (known: {', '.join(self._groups) or 'none'})")
        try:
            return set_scores(self._groups[group], names)
        except UserError as error:
            raise UserError(f"{group}: {error}") from error

    def pooled(self, names: Iterable[str]) -> dict[str, SetScore]:
        """Return the metrics of these names over the images of all groups together.

        Raises:
            UserError: There are fewer than two images.
        """
        together = {f"{group}\0{key}": row for group, rows in self._groups.items() for key, row in rows.items()}
        return set_scores(together, names)


def set_scores(rows: Rows, names: Iterable[str]) -> dict[str, SetScore]:
    """Return the metrics of these names of a set of images, given the features of each; their order does not matter.

    Raises:
        UserError: There are fewer than two images, or the features of one are missing.
    """
    found = {}
    for name in names:
        metric = METRICS.load(name)()
        for key, (restored, clean) in rows.items():
            if restored is None or clean is None:
                raise UserError(f"the features of {key!r} are missing: score it again")
            metric.update(key, restored, clean)
        found[name] = SetScore(metric.compute(), len(rows), metric.interval(), metric.warning())
    return found
