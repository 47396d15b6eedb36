"""From rows, one an image, to the numbers of a result: means with intervals, per type and over the types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.metrics import METRICS
from benchmark.results.intervals import bootstrap_interval, grouped_bootstrap_interval
from benchmark.results.parts import Group, Score

if TYPE_CHECKING:
    from benchmark.evaluation.scoring.scorer import SetScore


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The numbers of a result.

    Arguments:
        metrics: The overall scores: the unweighted mean over the types.
        groups: The scores of each type.
        missing: For each absent metric a line that says what would fill it.
        pooled: Set metrics over the images of all types together.
    """

    metrics: Mapping[str, Score]
    groups: Mapping[str, Group]
    missing: Mapping[str, str]
    pooled: Mapping[str, Score]


def sum_up(
    rows: Sequence[Mapping[str, Any]],
    *,
    missing: Mapping[str, str],
    sets: Callable[[str], Mapping[str, SetScore]],
    pooled: Callable[[], Mapping[str, SetScore]] | None = None,
) -> Summary:
    """Turn per-image rows into means with 95 % intervals, per type and over the types (each counting the same).

    Arguments:
        rows: A row an image: key, degradation and the per-image metrics.
        missing: Metrics that could not be computed, and why.
        sets: Returns the set metrics of a type; asked only for two images or more.
        pooled: Returns the set metrics of all images together; asked only when there are several types.
    """
    groups: dict[str, Group] = {}
    columns: dict[str, dict[str, list[float]]] = {}
    told = dict(missing)
    for word in dict.fromkeys(row["degradation"] for row in rows):
        mine = [row for row in rows if row["degradation"] == word]
        scores: dict[str, Score] = {}
        for name, card in METRICS.items():
            if card.kind == "image" and name in mine[0]:
                values = [float(row[name]) for row in mine]
                columns.setdefault(name, {})[word] = values
                scores[name] = Score(value=float(np.mean(values)), n=len(mine), ci95=bootstrap_interval(values))
        if len(mine) > 1:
            scores |= _as_scores(sets(word))
        groups[word] = Group(n=len(mine), metrics={name: scores[name] for name in METRICS if name in scores})
    overall: dict[str, Score] = {}
    for name, card in METRICS.items():
        having = [group.metrics[name] for group in groups.values() if name in group.metrics]
        if len(having) < len(groups):
            if having:
                told[name] = f"{card.label} needs more images of every type than this test set has"
            continue
        if name in columns:
            interval = grouped_bootstrap_interval(list(columns[name].values()))
        else:
            interval = having[0].ci95 if len(having) == 1 else None
        mean = sum(score.number for score in having) / len(having)
        overall[name] = Score(value=mean, n=len(rows), ci95=interval)
    together = _as_scores(pooled()) if pooled is not None and len(groups) > 1 else {}
    return Summary(metrics=overall, groups=groups, missing=told, pooled=together)


def _as_scores(found: Mapping[str, SetScore]) -> dict[str, Score]:
    return {name: Score(value=score.value, n=score.n, ci95=score.ci95) for name, score in found.items()}
