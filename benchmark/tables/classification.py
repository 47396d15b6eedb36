"""Recognising the degradation: accuracy per type, how sure each classifier is, and what it confuses with what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.results.calibration import BINS, COLDEST, HOTTEST
from benchmark.results.classification import ClassificationResult
from benchmark.tables import TableCard
from benchmark.tables.published import PublishedScores, published_section, read_published
from benchmark.tables.view import ABSENT, Cell, Records, Section, birth_line, embolden, number, one_origin
from models.markdown import code
from models.vocabulary import in_order, label


def build(*, card: TableCard, published: Path, records: Records) -> list[Section]:
    """Return the published section (empty but for its note) and one for each test set that was measured."""
    sections = [published_section(read_published(PublishedScores, published, table=card.name))]
    origins: dict[tuple[str, str, str], list[ClassificationResult]] = {}
    for result in records.classifications:
        origin = (result.test_set.name, result.test_set.digest, str(result.protocol))
        origins.setdefault(origin, []).append(result)
    for origin in sorted(origins):
        sections.extend(measured_sections(origins[origin]))
    return sections


def measured_sections(results: Sequence[ClassificationResult]) -> list[Section]:
    """Show classifiers on one test set, best first, then how sure they are, then the confusion matrix of each.

    Raises:
        UserError: The results differ in test set or protocol, or there are none.
    """
    one_origin(results)
    ordered = sorted(results, key=lambda r: (-r.accuracy, r.method.name))
    sections = [_accuracies(ordered)]
    if any(result.calibration for result in ordered):
        sections.append(_calibration(ordered))
    return sections + [_confusion(result) for result in ordered]


def _accuracies(results: Sequence[ClassificationResult]) -> Section:
    first = results[0]
    columns = []
    types = in_order(word for r in results for word in r.types)
    for word in types:
        groups = [r.groups.get(word) for r in results]
        columns.append([Cell(text=number(100 * g.accuracy if g else None, digits=1)) for g in groups])
    columns.append([Cell(text=number(100 * r.accuracy, digits=1)) for r in results])
    columns = [embolden(cells, higher_is_better=True) for cells in columns]
    return Section(
        title=f"Measured: {first.test_set.title}, protocol {first.protocol}",
        kind="measured",
        headers=tuple(Cell(text=head) for head in ("Method", *[label(word) for word in types], "Mean", "n")),
        numeric=(False, *[True] * (len(types) + 2)),
        rows=tuple(
            (Cell(text=r.method.title), *[c[i] for c in columns], Cell(text=str(r.n))) for i, r in enumerate(results)
        ),
        intro=(
            f"Accuracy in per cent; chance is {100 * first.chance:.1f}. Test set {code(first.test_set.name)}, "
            f"{first.test_set.n} images, digest {code(first.test_set.digest[:12])}. The mean is unweighted over the "
            "types.",
        ),
        remarks=tuple(f"{r.method.title}: {r.method.note}" for r in results if r.method.note),
        births=tuple(birth_line(r) for r in results),
    )


def _calibration(results: Sequence[ClassificationResult]) -> Section:
    rows = []
    for result in results:
        if (found := result.calibration) is None:
            rows.append((result.method.title, *[None] * 7))
            continue
        edge = not 2 * COLDEST < found.best_temperature < HOTTEST / 2
        rows.append(
            (
                result.method.title,
                *(number(100 * share, digits=1) for share in (found.ece, found.confidence, found.accuracy)),
                number(found.nll, digits=3),
                f"{found.temperature:.4g}",
                f"{found.best_temperature:.3g}{' (at an end of the search)' if edge else ''}",
                number(100 * found.best_ece, digits=1),
            )
        )
    heads = ("Method", "ECE ↓", "Confidence", "Accuracy", "NLL ↓", "Temperature", "Best temperature", "ECE there ↓")
    return Section(
        title="How sure they are",
        kind="measured",
        headers=tuple(Cell(text=text) for text in heads),
        numeric=(False, *[True] * 7),
        rows=tuple(tuple(Cell(text=ABSENT if text is None else text) for text in row) for row in rows),
        intro=(
            "The confidence of an answer is the softmax of the cosines divided by the temperature. The expected "
            f"calibration error (ECE) is the mean distance between confidence and accuracy over {BINS} ranges of "
            "confidence. All in per cent but the temperatures and the negative log-likelihood (NLL, nats), and over "
            "all images, so that a type with more images counts more.",
        ),
        remarks=(
            "Temperature is what training left: one over the scale of the contrastive loss, which learns to rank the "
            "texts of a batch and not to be sure of one of ten words.",
            "The best temperature has the least NLL on these very images: it says what could be gained, not what a "
            "temperature chosen beforehand would give.",
        ),
        level=3,
    )


def figure_path(result: ClassificationResult) -> str:
    """Return where the figure of a result lies, from the folder of the pages."""
    return f"classification/{result.test_set.name}.{result.method.name}.png"


def _confusion(result: ClassificationResult) -> Section:
    labels = [label(word) for word in result.types]
    return Section(
        title=f"What {result.method.title} answers",
        kind="measured",
        headers=tuple(Cell(text=head) for head in ("Truth", *labels)),
        numeric=(False, *[True] * len(labels)),
        rows=tuple(
            (Cell(text=truth), *[Cell(text=str(n), bold=i == j) for j, n in enumerate(row)])
            for i, (truth, row) in enumerate(zip(labels, result.confusion, strict=True))
        ),
        intro=("Counts of images: a row for each true type, a column for each answer; bold marks the right ones.",),
        figure=(f"Confusion matrix and reliability of {result.method.title}", figure_path(result)),
        level=3,
    )
