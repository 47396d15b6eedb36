"""Judging how the pairs fit: exchanged partners and roles, mirrored and displaced images; per pair and per set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmark.verify.findings import Finding, Shown
from benchmark.verify.fit import Fit
from benchmark.verify.partners import Partner, better_partners
from benchmark.verify.rows import Row

GAIN = 0.12
"""By how much both correlations have to grow before an orientation or another partner is believed."""
CERTAIN = 0.3  # ... and is called an error
RELATED = 0.2  # mean correlation of a pair below which its roles are not judged
UNRELATED = 0.1

TOLERANCE = 0.35  # pixels
TOLERANCES = {"low-light": 0.75, "uncompleted": 1.0}
"""The bright and the dark photo of a low-light pair are two exposures: LOL's own pairs differ by up to 0.6 pixels.
Large holes leave little to measure by."""
SIGMAS = 6.0  # standard errors that a displacement has to reach

SET_SIZE = 8  # pairs of one type and source that make a statement about all of them
SET_SHIFT = 0.2  # pixels


def judge(rows: Sequence[Row], cleans: Sequence[Row]) -> list[Finding]:
    """Judge all pairs of a split.

    Arguments:
        rows: The pairs, in order. Those without a `fit` were made again from their spec, pixel by pixel, and are
            aligned by construction.
        cleans: Rows that bring a thumbnail of their clean image, one for each different clean image.
    """
    measured = [(row, row.fit) for row in rows if row.fit is not None]
    partners = better_partners([row for row, _ in measured], cleans)
    groups: dict[str, list[tuple[Row, Fit]]] = defaultdict(list)
    for row, fit in measured:
        if row.key not in partners and _turned_gain(fit) < GAIN:
            groups[f"{row.split}/{row.source}/{row.degradation}"].append((row, fit))
    exchanged: dict[str, Finding] = {}
    displaced: dict[str, tuple[Finding, np.ndarray]] = {}
    for name, group in groups.items():
        if finding := _exchanged_set(name, group):
            exchanged[name] = finding
        if found := _displaced_set(name, group):
            displaced[name] = found
    findings = [*exchanged.values(), *(finding for finding, _ in displaced.values())]
    for row, fit in measured:
        name = f"{row.split}/{row.source}/{row.degradation}"
        moved = displaced[name][1] if name in displaced else None
        finding = _judge_pair(row, fit, partners.get(row.key), roles=name not in exchanged, moved=moved)
        if finding is not None:
            findings.append(finding)
    return findings


def _judge_pair(
    row: Row, fit: Fit, partner: Partner | None, *, roles: bool, moved: np.ndarray | None
) -> Finding | None:
    """Return the one finding that explains the pair best."""
    own = float(fit.correlation.mean())
    numbers = {"correlation": own}
    images = (Shown("degraded", row.place("degraded")), Shown("clean", row.place("clean")))
    gain = _turned_gain(fit)
    if partner is not None and partner.gain > gain:
        better = float(partner.correlation.mean())
        return Finding(
            "error" if partner.mutual or partner.gain >= CERTAIN else "suspicion",
            "swapped-partner",
            row.key,
            f"its degraded image fits the clean image of {partner.row.key} ({better:.2f}) better than its own "
            f"({own:.2f})",
            {**numbers, "better": better},
            (*images, Shown("fits better", partner.row.place("clean"))),
        )
    if gain >= GAIN:
        better = float(fit.turned_correlation.mean())
        return Finding(
            "error" if gain >= CERTAIN else "suspicion",
            "mirrored-partner",
            row.key,
            f"its clean image fits when it is {fit.turned} ({better:.2f} against {own:.2f})",
            {**numbers, "better": better},
            images,
        )
    if not roles:
        return None  # told for the whole set; what is measured with the wrong roles says nothing more
    related = own >= RELATED or row.degradation == "uncompleted"
    if fit.evidence is not None and fit.evidence <= -1 and related:
        what = f"its clean image looks more {row.degradation} than its degraded one"
        return Finding("suspicion", "swapped-roles", row.key, what, {**numbers, "evidence": fit.evidence}, images)
    finding = _displaced_pair(row, fit, moved, numbers, images)
    if finding is None and own < UNRELATED and fit.shift.peak < 7:
        what = f"degraded and clean have nothing in common that could be measured (correlation {own:.2f})"
        return Finding("suspicion", "unrelated", row.key, what, numbers, images)
    return finding


def _turned_gain(fit: Fit) -> float:
    """Return by how much a mirrored or turned clean image fits better; 0 when it hardly fits either."""
    gain = float(np.min(fit.turned_correlation - fit.correlation))
    return gain if fit.turned_correlation.min() >= RELATED else 0.0


def _displaced_pair(
    row: Row, fit: Fit, moved: np.ndarray | None, numbers: dict[str, float], images: tuple[Shown, ...]
) -> Finding | None:
    shift = fit.shift
    tolerance = TOLERANCES.get(row.degradation, TOLERANCE)
    if row.degradation == "motion-blurry":
        # A blurred edge lies where the camera was longest, which need not be where the sharp image was taken: curved
        # paths of 8 to 18 pixels displace it by up to 2.6 pixels and 0.8 of the blur's extent.
        tolerance = 3.0 + 0.8 * fit.blur
    own = np.array((shift.x, shift.y)) - (moved if moved is not None else 0)
    if min(shift.length, float(np.hypot(*own))) < tolerance or shift.length < SIGMAS * shift.error or shift.gain < 0.15:
        return None
    what = f"its degraded image is displaced by {shift.x:+.2f}, {shift.y:+.2f} pixels (x, y; +-{shift.error:.2f})"
    measured = {"x": shift.x, "y": shift.y, "error": shift.error}
    return Finding("suspicion", "shift", row.key, what, {**numbers, **measured}, images)


def _exchanged_set(name: str, group: list[tuple[Row, Fit]]) -> Finding | None:
    judged = [(row, fit.evidence) for row, fit in group if fit.evidence is not None]
    wrong = [(row, e) for row, e in judged if e < 0]
    # A majority that chance gives once in 400 sets: all of 8 pairs, 65 of 100.
    if len(judged) < SET_SIZE or 2 * len(wrong) - len(judged) < max(0.3 * len(judged), 2.8 * len(judged) ** 0.5):
        return None
    row = min(wrong, key=lambda item: item[1])[0]
    return Finding(
        "error",
        "swapped-roles",
        name,
        f"in {len(wrong)} of {len(judged)} pairs the clean image looks more {row.degradation} than the degraded one: "
        "the two folders seem exchanged",
        {"wrong": len(wrong), "judged": len(judged)},
        (Shown("degraded", row.place("degraded")), Shown("clean", row.place("clean"))),
    )


def _displaced_set(name: str, group: list[tuple[Row, Fit]]) -> tuple[Finding, np.ndarray] | None:
    """Find the displacement that all pairs share, as a wrong crop or resize leaves it.

    Together they show one that is too small to be told in a single pair.
    """
    used = [(row, fit.shift) for row, fit in group if fit.shift.gain >= 0.15 and fit.correlation.mean() >= RELATED]
    if len(used) < SET_SIZE:
        return None
    shifts = np.array([(shift.x, shift.y) for _, shift in used])
    middle = np.median(shifts, axis=0)
    # Standard error of a median, from the median deviation, that a few wild pairs do not move.
    spread = 1.4826 * np.median(np.abs(shifts - middle), axis=0)
    error = float(np.hypot(*(1.2533 * spread / np.sqrt(len(used)))))
    length = float(np.hypot(*middle))
    if length < SET_SHIFT or length < SIGMAS * error:
        return None
    row = used[int(np.argmin(np.hypot(*(shifts - middle).T)))][0]
    finding = Finding(
        "suspicion",
        "shift",
        name,
        f"its {len(used)} degraded images are all displaced by {middle[0]:+.2f}, {middle[1]:+.2f} pixels (x, y; "
        f"+-{error:.2f})",
        {"x": float(middle[0]), "y": float(middle[1]), "error": error, "pairs": len(used)},
        (Shown("degraded", row.place("degraded")), Shown("clean", row.place("clean"))),
    )
    return finding, middle
