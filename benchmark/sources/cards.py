"""What a source declares about itself, and the one sentence for a folder that is not what it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.errors import UserError

NO_LICENCE = "research use; no licence stated by the authors"


@dataclass(frozen=True)
class SourceFile:
    """One archive of a source as its authors offer it.

    Arguments:
        name: File name, or a glob where the name differs from mirror to mirror.
        size: Number of bytes, None where it is not known for certain.
        sha256: Digest of the whole archive, None where it is not known for certain.
        page: Where it is offered.
        note: What is inside, or which other archive it can stand for.
        unpacked: Folders that appear beside the archive when it is unpacked; the archive's stem is always tried.
        alone: Whether it is of use without the others.
        holds: Glob of an image inside, looked for before a file is believed to be this one, where its name says little.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    page: str = ""
    note: str = ""
    unpacked: tuple[str, ...] = ()
    alone: bool = True
    holds: str = ""


@dataclass(frozen=True)
class SourceCard:
    """What a source declares about itself.

    Arguments:
        name: Name on the command line.
        target: "module:function"; the function takes the source's `Tree` (None for embedded photos) and options by
            keyword, and yields `benchmark.sources.samples.Sample` and `Rejected`; nothing where the tree is another.
        title: Name in prose and tables.
        degradations: The types that it serves; empty where the user says which.
        counts: Published number of pairs, `{split: {degradation: n}}`; empty where none is published.
        licence: Terms of use, in words.
        spdx: SPDX identifier of the licence where there is one.
        redistribution: Whether the images may be republished without asking the authors.
        citation: Authors, title, venue, year.
        bibtex: The same as a BibTeX entry.
        obtain: Page or paper that says where the files come from.
        layout: The folders and files that are expected, for help and errors.
        files: The archives that are downloaded.
        options: Names of the keyword arguments of `target` that a user may set.
        embedded: True when the images come inside the pinned packages and no folder is needed.
    """

    name: str
    target: str
    title: str
    degradations: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    licence: str = ""
    spdx: str = ""
    redistribution: bool = False
    citation: str = ""
    bibtex: str = ""
    obtain: str = ""
    layout: str = ""
    files: tuple[SourceFile, ...] = ()
    options: tuple[str, ...] = ()
    embedded: bool = False


def not_this_source(card: SourceCard, where: str) -> UserError:
    """Return the error for a folder or archive that holds nothing of the source.

    Arguments:
        card: The source that was asked for.
        where: What was looked through.
    """
    obtain = f"; it is offered at {card.obtain}" if card.obtain else ""
    return UserError(f"{where} does not look like {card.title}: expected {card.layout}{obtain}")
