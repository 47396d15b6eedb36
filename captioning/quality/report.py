"""The report on captions: Markdown for people, two Parquet files for programs."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from captioning.quality.findings import KINDS
from captioning.quality.inspect import Inspection
from captioning.quality.length import CONTEXT_LENGTH, percentiles
from models.files import atomic_path, write_text
from models.markdown import cell, code, escape
from models.vocabulary import SPLITS

FINDINGS = pa.schema(
    [(name, pa.string()) for name in ("kind", "split", "key", "clean_sha256", "caption", "detail", "other")]
)
MEASURES = pa.schema(
    [
        *((name, pa.string()) for name in ("split", "key", "clean_sha256", "caption")),
        *((name, pa.int32()) for name in ("words", "tokens", "text_tokens")),
        ("repeated", pa.float64()),
        ("cosine", pa.float64()),
    ]
)
EXAMPLES = 10
BINS = 10


def write_report(folder: Path, found: Inspection, *, title: str, clip: str | None = None, lowest: int = 20) -> None:
    """Write `captions.parquet` (measures of each), `findings.parquet` and, last, `report.md`.

    Arguments:
        folder: Where to.
        found: What the checks found.
        title: What the captions belong to.
        clip: The CLIP that compared captions with images, if one did.
        lowest: How many of the worst pairs to list.
    """
    entries = found.entries
    findings = [
        {
            "kind": finding.kind,
            "split": entries[finding.entry].split,
            "key": entries[finding.entry].key,
            "clean_sha256": entries[finding.entry].clean_sha256,
            "caption": printable(entries[finding.entry].caption),
            "detail": printable(finding.detail),
            "other": finding.other,
        }
        for finding in found.findings
    ]
    measures = [
        {
            "split": entry.split,
            "key": entry.key,
            "clean_sha256": entry.clean_sha256,
            "caption": printable(entry.caption),
            "words": found.words[index],
            "tokens": found.tokens[index],
            "text_tokens": found.text_tokens[index],
            "repeated": found.repeated[index],
            "cosine": found.cosines[index],
        }
        for index, entry in enumerate(entries)
    ]
    for name, rows, schema in (("captions", measures, MEASURES), ("findings", findings, FINDINGS)):
        with atomic_path(folder / f"{name}.parquet") as partial:
            pq.write_table(pa.Table.from_pylist(rows, schema), partial, compression="zstd")
    write_text(folder / "report.md", render(found, title=title, clip=clip, lowest=lowest))


def render(found: Inspection, *, title: str, clip: str | None = None, lowest: int = 20) -> str:
    """Return the report as Markdown; arguments as in `write_report`."""
    sections = [
        f"# Captions of {escape(title)}",
        _overview(found),
        "## Length\n\n" + _lengths(found),
        "## Words for degradations\n\n" + _leaks(found),
        "## Captions of several images\n\n" + _repeats(found),
        "## Examples\n\n" + _examples(found),
        *(["## Agreement with the images\n\n" + _agreement(found, clip, lowest)] if clip else []),
    ]
    return "\n\n".join(sections) + "\n"


def _overview(found: Inspection) -> str:
    splits = [split for split in SPLITS if any(entry.split == split for entry in found.entries)]
    captions = Counter(entry.split for entry in found.entries)
    counted = Counter(
        (kind, split) for kind, split, _ in {(f.kind, found.entries[f.entry].split, f.entry) for f in found.findings}
    )
    rows = [["captions, one an image", *(f"{captions[split]:,}" for split in splits)]]
    rows += [[f"`{kind}`: {what}", *(f"{counted[kind, split]:,}" for split in splits)] for kind, what in KINDS.items()]
    return table(["found", *splits], rows)


def _lengths(found: Inspection) -> str:
    measured = [("words", found.words), ("tokens", found.tokens), ("tokens with the degradation", found.text_tokens)]
    names = list(percentiles([1]))
    rows = [[what, *(f"{number:.4g}" for number in percentiles(values).values())] for what, values in measured]
    bins = Counter(min(count, CONTEXT_LENGTH + 1) // BINS * BINS for count in found.tokens)
    most = max(bins.values(), default=1)
    histogram = [
        [f"{start}-{start + BINS - 1}", f"{bins[start]:,}", "█" * -(-bins[start] * 40 // most)]
        for start in range(0, max(bins, default=0) + 1, BINS)
    ]
    note = (
        f"CLIP reads {CONTEXT_LENGTH} tokens, the start and end tokens among them; longer captions are in the last row."
    )
    return "\n\n".join([table(["", *names], rows), note, table(["tokens", "captions", ""], histogram)])


def _leaks(found: Inspection) -> str:
    if not found.leaks:
        return "None."
    told = (
        "Captions are made from clean images. A word that describes the *picture* has no place in them; one that "
        "describes the *scene* may be right (snow on a mountain). A share that is far higher among images of its own "
        "type than among the others tells that captions were made from degraded images."
    )
    rows = [
        [
            escape(row.word),
            escape(row.degradation),
            escape(row.describes),
            f"{row.captions:,}",
            share(row.own_share),
            share(row.other_share),
        ]
        for row in found.leaks
    ]
    head = ["word", "names", "describes", "captions", "share in its own type", "share in other types"]
    return f"{told}\n\n{table(head, rows)}"


def _repeats(found: Inspection) -> str:
    if not found.repeats:
        return "None."
    total = sum(images for _, images in found.repeats)
    rows = [[escape(caption), f"{images:,}"] for caption, images in found.repeats[: 2 * EXAMPLES]]
    text = f"{len(found.repeats):,} captions are shared by {total:,} images; contrastive training sets these apart."
    return f"{text}\n\n{table(['caption', 'images'], rows)}"


def _examples(found: Inspection) -> str:
    parts = []
    for kind in KINDS:
        some = [finding for finding in found.findings if finding.kind == kind]
        if some:
            rows = []
            for finding in some[:EXAMPLES]:
                entry = found.entries[finding.entry]
                where = finding.detail + (f" (see {finding.other})" if finding.other else "")
                rows.append([escape(entry.key), escape(entry.caption), escape(where)])
            parts.append(f"### `{kind}` ({len(some):,})\n\n{table(['first pair', 'caption', 'what'], rows)}")
    return "\n\n".join(parts) or "Nothing was found."


def _agreement(found: Inspection, clip: str | None, lowest: int) -> str:
    scored = [(cosine, index) for index, cosine in enumerate(found.cosines) if cosine is not None]
    if not scored:
        return "No image could be compared."
    numbers = percentiles([cosine for cosine, _ in scored])
    rows = [
        [escape(found.entries[index].key), escape(found.entries[index].caption), f"{cosine:.4f}"]
        for cosine, index in sorted(scored)[:lowest]
    ]
    return "\n\n".join(
        [
            f"Cosine similarity of image and caption by {code(clip or '')}, {len(scored):,} images.",
            table(list(numbers), [[f"{number:.4f}" for number in numbers.values()]]),
            f"The {len(rows)} pairs that agree least:",
            table(["first pair", "caption", "cosine"], rows),
        ]
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the texts are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in lines)


def share(value: float | None) -> str:
    """Return a share in per cent, or a dash when there is none."""
    return "-" if value is None else f"{value:.1%}"


def printable(text: str) -> str:
    r"""Return text that any file and terminal can hold: control characters and broken bytes as `\x..` and `\u....`."""
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co", "Zl", "Zp") else character
        for character in text
    )
