"""Whether the numbers of a result follow from its rows, one an image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.metrics import METRICS
from benchmark.results.parts import Group, Score
from models.errors import UserError

Rows = Sequence[Mapping[str, Any]]

IMAGE_METRICS = tuple(name for name, card in METRICS.items() if card.kind == "image")
"""Metrics whose means follow from the rows; those of whole sets do not."""


def check_scores(where: str, rows: Rows, *, metrics: Mapping[str, Score], groups: Mapping[str, Group]) -> None:
    """Compare the counts and means of a restoration result with its rows.

    Arguments:
        where: What the rows are called in an error.
        rows: Key, degradation and the per-image metrics of each image.
        metrics: The overall scores; where types are known they follow from those of the groups.
        groups: The scores of each type; empty where none is known.

    Raises:
        UserError: A type has another count of images, or a mean is another number.
    """
    if not groups:
        check_means(where, rows, metrics)
        return
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_type.setdefault(row["degradation"], []).append(row)
    if {word: len(mine) for word, mine in by_type.items()} != {word: group.n for word, group in groups.items()}:
        raise disagreement(where, "the number of images of each type")
    for word, mine in by_type.items():
        check_means(where, mine, groups[word].metrics, of=f" of {word}")


def check_means(where: str, rows: Rows, scores: Mapping[str, Score], *, of: str = "") -> None:
    """Compare the per-image metrics among some scores with the means of rows.

    Raises:
        UserError: The rows have other metrics, another count or another mean.
    """
    told = {name for name in IMAGE_METRICS if name in scores}
    if told != {name for name in IMAGE_METRICS if name in rows[0]}:
        raise disagreement(where, f"the metrics{of}")
    for name in sorted(told):
        mean = float(np.mean([float(row[name]) for row in rows]))
        same = mean == scores[name].number or math.isclose(mean, scores[name].number, rel_tol=1e-9, abs_tol=1e-12)
        if not same or scores[name].n != len(rows):
            raise disagreement(where, f"the mean {METRICS[name].label}{of} ({mean:.6g} there)")


def check_answers(
    where: str, rows: Rows, *, types: Sequence[str], confusion: Sequence[Sequence[int]], confidence: float | None
) -> None:
    """Compare a confusion matrix with the answer to each image.

    Arguments:
        where: What the rows are called in an error.
        rows: Degradation, answer and confidence of each image.
        types: The words, in the order of the matrix.
        confusion: Counts: a row for each true type, a column for each answer.
        confidence: The mean confidence over all images; None when it is not told.

    Raises:
        UserError: The rows give another matrix or mean.
    """
    found = {(truth, answer): 0 for truth in types for answer in types}
    for row in rows:
        pair = (row["degradation"], row["answer"])
        found[pair] = found.get(pair, 0) + 1
    told = {(t, a): n for t, line in zip(types, confusion, strict=True) for a, n in zip(types, line, strict=True)}
    if found != told:
        raise disagreement(where, "the confusion matrix")
    if confidence is not None:
        mean = float(np.mean([row["confidence"] for row in rows]))
        if not math.isclose(mean, confidence, rel_tol=1e-9, abs_tol=1e-12):
            raise disagreement(where, f"the mean confidence ({mean:.6g} there)")


def disagreement(where: str, what: str) -> UserError:
    """Return what is raised where a result and its rows contradict each other."""
    return UserError(
        f"{where} contradicts its result in {what}: one of the two files is another's, or was changed; put back both "
        "as they were, or delete them and run the command that made them again"
    )
