"""The catalogues of tables and of further pages: which rows and columns each shows, under which protocol."""

from __future__ import annotations

from dataclasses import dataclass

from models.catalogue import Catalogue


@dataclass(frozen=True)
class TableCard:
    """What a table declares about itself.

    Arguments:
        name: Its number in the paper, or a word.
        target: "module:function"; the function takes the card, the published numbers' folder and the records, and
            returns the sections of the page.
        title: Name in prose.
        protocol: Id of the protocol under which `bench eval --table` scores; None where nothing is scored.
        degradation: The only type of its test sets; None when it spans several.
        test_set_source: How the names of its test sets start; None for any.
        metrics: Names of its metric columns, in order.
    """

    name: str
    target: str
    title: str
    protocol: str | None = None
    degradation: str | None = None
    test_set_source: str | None = None
    metrics: tuple[str, ...] = ()


FOUR = ("psnr", "ssim", "lpips", "fid")

TABLES = Catalogue[TableCard](
    "table",
    [
        TableCard(name="1", target="benchmark.tables.counts:build", title="Pairs per degradation type"),
        TableCard(
            name="2a",
            target="benchmark.tables.restoration:build",
            title="Image deraining on Rain100H",
            protocol="daclip-derain-y",
            degradation="rainy",
            test_set_source="rain100h",
            metrics=FOUR,
        ),
        TableCard(
            name="2b",
            target="benchmark.tables.restoration:build",
            title="Low-light enhancement on LOL",
            protocol="daclip-table2",
            degradation="low-light",
            test_set_source="lol",
            metrics=FOUR,
        ),
        TableCard(
            name="2c",
            target="benchmark.tables.restoration:build",
            title="Motion deblurring on GoPro",
            protocol="daclip-table2",
            degradation="motion-blurry",
            test_set_source="gopro",
            metrics=FOUR,
        ),
        TableCard(
            name="2d",
            target="benchmark.tables.restoration:build",
            title="Dehazing on RESIDE-6k",
            protocol="daclip-table2",
            degradation="hazy",
            test_set_source="reside6k",
            metrics=FOUR,
        ),
        TableCard(
            name="3",
            target="benchmark.tables.restoration:build",
            title="Unified restoration of ten degradations",
            protocol="daclip",
            metrics=FOUR,
        ),
        TableCard(
            name="classification",
            target="benchmark.tables.classification:build",
            title="Recognising the degradation type",
            protocol="accuracy",
            metrics=("accuracy",),
        ),
    ],
)


@dataclass(frozen=True)
class PageCard:
    """A page that compares what several tables hold.

    Arguments:
        name: Of its file, without ".md".
        target: "module:function"; the function takes the published numbers' folder and the records, and returns the
            sections of the page.
        title: Heading.
        about: What it shows, in the index.
    """

    name: str
    target: str
    title: str
    about: str


PAGES = Catalogue[PageCard](
    "page",
    [
        PageCard(
            name="what-table-2-measures",
            target="benchmark.tables.reproduction:build",
            title="What Table 2 really measures",
            about="Printed cells beside what the released weights give under every protocol",
        ),
        PageCard(
            name="protocol-gap",
            target="benchmark.tables.protocol_gap:build",
            title="The protocol gap",
            about="How far one and the same method moves between protocols",
        ),
    ],
)
