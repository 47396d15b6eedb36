"""Pages of hostile data: every text that comes out of a file stays a text, in each kind of page."""

from __future__ import annotations

import copy
import functools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hostile_texts import TEXTS, unseen
from made_results import make_classification, make_result, make_robustness
from measured_networks import measured
from page_reading import html_structure, markdown_structure
from small_datasets import small_dataset
from trials import Tally, counts

from benchmark.dataset.folder import Dataset
from benchmark.evaluation.robustness.cases import chosen_cases
from benchmark.publish.card.captions import CaptionSet
from benchmark.publish.card.card import render_card
from benchmark.publish.card.croissant import describe
from benchmark.publish.card.terms import render_terms
from benchmark.report.classification import classification_drawing
from benchmark.report.curves import curves_figure
from benchmark.report.gallery import GalleryItem, RestoredImage, render_gallery
from benchmark.report.index import index_page
from benchmark.report.leaderboard import table_page
from benchmark.report.nfe import nfe_figure, nfe_markdown
from benchmark.report.robustness import robustness_boards
from benchmark.report.speed_networks import networks_markdown
from benchmark.results.counts import CountsResult, DatasetId
from benchmark.results.parts import Method, ProtocolId
from benchmark.results.provenance import birth_certificate
from benchmark.tables import TABLES
from benchmark.tables.view import Records
from benchmark.training.runs import RunFacts
from benchmark.verify.findings import Audit, Shown
from benchmark.verify.findings import Finding as Fault
from benchmark.verify.report import _page as audit_page
from captioning.quality.findings import KINDS, Entry, Finding
from captioning.quality.inspect import Inspection
from captioning.quality.leaks import LeakRow
from captioning.quality.report import render
from models.files import write_json, write_text
from models.vocabulary import DEGRADATIONS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small dataset folder."""
    return small_dataset(tmp_path_factory.mktemp("pages") / "dataset", rows=2)


def hostile_manifest(folder: Path, text: str) -> dict[str, Any]:
    """Return a manifest whose words are all `text`."""
    manifest = copy.deepcopy(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
    name = f"source {text}"
    for split in manifest["splits"].values():
        split["sources"] = {name: 1}
        split["by_source"] = {name: {f"word {text}": 1}}
        split["counts"] = {f"word {text}": 1}
    options = {"spec": text, "degradation": text, text or "option": text}
    manifest["recipe"] = {"preset": text, "sources": [{"name": name, **options}]}
    manifest["quarantine"] = [{"key": text, "reason": text}] * 205
    manifest["tool"] = manifest["schema"] = f"1 {text}"
    return manifest


def hostile_captions(folder: Path, text: str) -> list[CaptionSet]:
    """Return captions by a captioner called `text`, in a folder and with a column of that name."""
    schema = pa.schema([("key", pa.string()), (f"column {text}".encode(errors="replace").decode(), pa.string())])
    made = CaptionSet("captions", {}, {}, text, schema)
    shard = next((folder / "data").glob("train-*")).relative_to(folder).as_posix()
    return [made, replace(made, config="captions-x", files={"train": shard}, rows={"train": 3})]


def card(folder: Path, text: str) -> str:
    """Return the card with the header cut off, which is read as YAML on its own."""
    made = replace(hostile_captions(folder, text)[1])
    page = render_card(hostile_manifest(folder, text), folder, [made])
    top, _, rest = page.removeprefix("---\n").partition("\n---\n\n")
    header = yaml.safe_load(top)
    assert header["configs"][0]["config_name"] == "default"
    assert header["license"] == "other"
    assert header["tags"][3:] == [f"word {text}"]
    return rest


def terms(folder: Path, text: str) -> str:
    return render_terms(hostile_manifest(folder, text))


def captions_report(folder: Path, text: str) -> str:
    entry = Entry("train", f"key {text}", "a" * 64, f"caption {text}", ("noisy",), (text,))
    some, numbers = [Finding(kind, 0, f"detail {text}", f"other {text}") for kind in KINDS], [1, 2]
    leak = LeakRow(f"word {text}", f"type {text}", f"picture {text}", 1, 0.5, None)
    found = Inspection(
        [entry, entry], some, numbers, numbers, numbers, [0.0, 0.0], [leak], [(f"caption {text}", 2)], [0.5, 0.25]
    )
    return render(found, title=f"set {text}", clip=f"clip {text}")


def audit(folder: Path, text: str) -> str:
    found = Audit(checked=Counter({f"things {text}": 3}))
    image = Shown(f"label {text}", None)  # pyright: ignore[reportArgumentType]
    found.findings += [
        Fault("error", "row", f"where {text}", f"what {text}", {"number": 1.5}, (image, image)),
        Fault("leak", "leak", f"where {text}", f"what {text}"),
    ]
    return audit_page(found, Dataset(folder), {0: "thumbnails/00001-row.png"})


def hostile(result: Any, text: str) -> Any:
    """Return a result whose every word is `text`."""
    method = Method(f"name {text}", f"Title {text}", f"network {text}", 1000, None, f"digest {text}", f"note {text}")
    test_set = replace(result.test_set, name=f"set {text}", title=f"Set {text}", digest=f"{text} digest")
    words = {name: f"{name} {text}" for name in ("tool", "commit", "command", "hardware", "date")}
    return replace(result, method=method, test_set=test_set, **words)


@functools.cache
def clean_records() -> Records:
    """Return results of every kind."""
    results = [make_result(name, psnr) for name, psnr in (("a", 20.0), ("b", 21.0))]
    results += [replace(r, protocol=ProtocolId("modern", 1)) for r in results]
    results += [make_result("x", 9.0, types=("rainy",), test_set="strange")]
    answers = [[int(i == j) * 3 for j in range(10)] for i in range(10)]
    tally = {"test": dict.fromkeys(DEGRADATIONS, 3)}
    return Records(
        results=results,
        classifications=[make_classification("daclip", "DA-CLIP", answers)],
        counts=[CountsResult(dataset=DatasetId("set", "cd" * 32), counts=tally, **birth_certificate(["eval"]))],
        robustness=[make_robustness("a", chosen_cases(["noisy"]), 30.0)],
    )


def records(text: str) -> Records:
    """Return results of every kind whose words are all `text`."""
    clean = clean_records()
    results = [replace(r, missing=dict.fromkeys(r.missing, f"cause {text}")) for r in clean.results]
    words = {name: f"{name} {text}" for name in ("tool", "commit", "command", "date")}
    return Records(
        results=[hostile(r, text) for r in results],
        classifications=[hostile(r, text) for r in clean.classifications],
        counts=[replace(r, dataset=DatasetId(f"set {text}", f"{text} digest"), **words) for r in clean.counts],
        robustness=[hostile(r, text) for r in clean.robustness],
    )


def leaderboard(folder: Path, text: str, *, name: str) -> str:
    return table_page(name, records=records(text))


def sweep_of(text: str) -> dict[str, Any]:
    """Return a sweep whose words are all `text`."""
    cell = {"sampler": "posterior", "nfe": 4, "n": 2, "metrics": {"psnr": 20.0}}
    return {
        "identity": {
            "title": f"Title {text}",
            "test_set": {"name": f"set {text}", "digest": f"{text} digest"},
            "protocol": f"protocol {text}",
            "weights_sha256": f"{text} digest",
            "seed": f"0 {text}",
            "sde": {"steps": 4},
        },
        "cells": [cell, {**cell, "nfe": 1}],
    }


def index(folder: Path, text: str) -> str:
    found = records(text)
    boards = robustness_boards(found.robustness)
    sections = {name: [] for name in TABLES}
    speed = [f"speed/{text}.md"]
    return index_page(sections, found, sweeps={f"sweep {text}": sweep_of(text)}, boards=boards, speed=speed)


def robustness(folder: Path, text: str) -> str:
    result = records(text).robustness[0]
    levels = tuple(replace(level, spec=f"spec {text}") for level in result.levels)
    return robustness_boards([replace(result, levels=levels, missing={"lpips": f"cause {text}"})])[0].page()


def speed(folder: Path, text: str) -> str:
    found = measured()
    found["machine"] |= {name: f"{name} {text}" for name in ("hardware", "device", "precision")}
    found["machine"]["versions"] = {f"torch {text}": f"1 {text}"}
    for row in (row for entry in found["networks"].values() for row in entry["sizes"].values()):
        row |= {name: f"{name} {text}" for name in ("command", "commit", "date")} | {"tile": f"t {text}", "tiles": 2}
    found["networks"] = {f"{name} {text}": entry for name, entry in found["networks"].items()}
    found["refused"] = {f"name {text}": {f"size {text}": f"why {text}"}}
    return networks_markdown(found)


MARKDOWN: dict[str, Callable[[Path, str], str]] = {
    "card": card,
    "terms": terms,
    "captions": captions_report,
    "audit": audit,
    "index": index,
    "robustness": robustness,
    "speed": speed,
    "sweep": lambda folder, text: nfe_markdown(sweep_of(text)),
    **{f"table {name}": functools.partial(leaderboard, name=name) for name in ("1", "2b", "3", "classification")},
    **{name: functools.partial(leaderboard, name=name) for name in ("protocol-gap", "what-table-2-measures")},
}


def some(count: int) -> list[str]:
    """Return so many of the texts, spread over all of them."""
    return [TEXTS[place * len(TEXTS) // count] for place in range(min(count, len(TEXTS)))]


@counts(3, len(TEXTS))
def test_texts_stay_texts_on_every_kind_of_markdown_page(folder: Path, tmp_path: Path, count: int) -> None:
    with Tally("hostile texts in Markdown pages") as tally:
        for name, page_of in MARKDOWN.items():
            expected = markdown_structure(page_of(folder, "plain"))
            for text in some(count):
                page = page_of(folder, text)
                try:
                    found = markdown_structure(page)
                    write_text(tmp_path / "page.md", page)
                except (AssertionError, UnicodeEncodeError) as error:
                    tally.case(f"{name}, {text[:40]!r}", False, str(error))
                    continue
                tally.case(f"{name}, {text[:40]!r}", found == expected and not unseen(page), f"{unseen(page)}")


PIXELS = np.full((2, 3, 3), 7, np.uint8)


def gallery(text: str) -> str:
    """Return a gallery whose words are all `text`."""
    restored = {f"method {text}": RestoredImage(PIXELS, 20.0), "other": RestoredImage(PIXELS)}
    item = GalleryItem(f"key {text}", "hazy", PIXELS, PIXELS, restored, 10.0, f"caption {text}")
    sections = [section for name in ("3", "1") for section in _sections(name, text)]
    return render_gallery(title=f"title {text}", intro=f"intro {text}", summary=sections, items=[item])


def _sections(name: str, text: str) -> list[Any]:
    from benchmark.report.leaderboard import table_sections

    return [section for section in table_sections(name, records=records(text)) if section.kind == "measured"]


@counts(8, len(TEXTS))
def test_texts_stay_texts_in_the_gallery(tmp_path: Path, count: int) -> None:
    with Tally("hostile texts in the HTML gallery") as tally:
        expected = html_structure(gallery("plain"))
        for text in some(count):
            page = gallery(text)
            write_text(tmp_path / "page.html", page)
            tally.case(repr(text[:40]), html_structure(page) == expected and not unseen(page), f"{unseen(page)}")


@counts(8, len(TEXTS))
def test_the_croissant_description_says_each_text_as_it_is_without_unseen_characters(
    folder: Path, tmp_path: Path, count: int
) -> None:
    with Tally("hostile texts in the Croissant description") as tally:
        for text in some(count):
            found = describe(hostile_manifest(folder, text), folder, hostile_captions(folder, text))
            write_json(tmp_path / "croissant.json", found)
            raw = (tmp_path / "croissant.json").read_text(encoding="utf-8")
            tally.case(repr(text[:40]), json.loads(raw) == found and not unseen(raw), f"{unseen(raw)}")


def drawings(folder: Path, text: str) -> list[bytes]:
    """Return every kind of figure, its labels all `text`."""
    found = records(text)
    run = RunFacts(folder, {}, {}, "finished", [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}], None)
    figures = [classification_drawing(found.classifications[0])]
    figures += robustness_boards(found.robustness)[0].drawings().values()
    drawn = [figure.png() for figure in figures]
    return [*drawn, nfe_figure(sweep_of(text)), curves_figure([run], "loss", labels=[text])]


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:.*constrained_layout")
@counts(1, 30)
def test_figures_are_drawn_with_texts_as_they_are(folder: Path, count: int) -> None:
    formula = "$$x$$ $\\frac{$"  # half a formula, which matplotlib would refuse
    with Tally("hostile texts in figures") as tally:
        for text in [formula, *some(count)]:
            if len(text) < 100:
                drawn = drawings(folder, text)
                tally.case(repr(text[:40]), all(png.startswith(b"\x89PNG") for png in drawn), "no PNG")
