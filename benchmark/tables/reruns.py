"""Printed rows of Table 2 that can be rerun here, with what was measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.metrics.protocols import PROTOCOLS
from benchmark.results.restoration import Result
from benchmark.tables import TABLES, TableCard
from benchmark.tables.published import PublishedRow, PublishedScores, read_published
from benchmark.tables.restoration import belongs
from benchmark.tables.view import Records

MARGINS = {"psnr": 0.03, "ssim": 0.001, "lpips": 0.0015}
"""How far beyond its printed digits a cell may be missed and still counts as reproduced; FID by `FID_SHARE`."""
FID_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """A printed row, and our results of its method on its test set under one protocol or more.

    Arguments:
        card: The table of the row.
        printed: The table as printed.
        row: The row.
        results: Of one method on one test set, in the order of the protocols; empty when nothing was measured.
        several: Whether other results of the same row stand beside these.
    """

    card: TableCard
    printed: PublishedScores
    row: PublishedRow
    results: Sequence[Result]
    several: bool = False

    @property
    def title(self) -> str:
        """Table and row, and our method's name where the row was run with several weights."""
        return f"{self.card.name} {self.row.method}" + (f": {self.results[0].method.name}" if self.several else "")

    def gap(self, result: Result, metric: str) -> float | None:
        """Return measured minus printed."""
        score = result.metrics.get(metric)
        return None if score is None else score.number - float(self.row.values[metric])

    def reproduces(self, result: Result, metric: str) -> bool:
        """Say whether a result gives the printed cell, within its digits and a small margin."""
        printed = self.row.values[metric]
        margin = MARGINS.get(metric, FID_SHARE * float(printed))
        half = 0.5 * 10.0 ** -len(printed.partition(".")[2])
        gap = self.gap(result, metric)
        return gap is not None and abs(gap) <= margin + half + 1e-9


def find_reruns(published: Path, records: Records) -> list[Rerun]:
    """Return every printed row of Table 2 whose network we have, with what was measured of it."""
    order = {name: place for place, name in enumerate(PROTOCOLS)}
    found = []
    for name, card in TABLES.items():
        if card.degradation is None:
            continue
        printed = read_published(PublishedScores, published, table=name)
        for row in printed.rows:
            if row.network is None:
                continue
            groups: dict[tuple[str, str], list[Result]] = {}
            for result in records.results:
                if belongs(card, result) and result.method.network == row.network and _released(result):
                    groups.setdefault((result.test_set.digest, result.method.name), []).append(result)
            for group in groups.values() or [[]]:
                results = sorted(group, key=lambda r: (order.get(r.protocol.id, len(order)), r.protocol.id))
                rerun = Rerun(card=card, printed=printed, row=row, results=results, several=len(groups) > 1)
                found.append(rerun)
    return found


def _released(result: Result) -> bool:
    """Say whether a result comes from weights that were not trained here; those say by which recipe they were."""
    return result.method.weights_sha256 is not None and not (result.method.note or "").startswith("recipe ")
