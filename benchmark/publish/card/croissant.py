"""The Croissant description of a dataset: files with digests and typed fields, as JSON-LD.

References:
    Croissant: A Metadata Format for ML-Ready Datasets (Akhtar et al., 2024) https://arxiv.org/abs/2403.19546
    Croissant Format Specification 1.0 https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmark.dataset.schema import RECORDS
from benchmark.publish.card.captions import CaptionSet
from benchmark.publish.card.citations import bibliography, cite
from benchmark.publish.card.columns import COLUMNS
from benchmark.publish.card.header import PRETTY_NAME
from benchmark.publish.card.terms import OTHER, licence, source_names, strictest, title
from benchmark.sources import SOURCES
from models.files import sha256_file

PARQUET = "application/x-parquet"

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        term: f"cr:{term}"
        for term in (
            *("citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet"),
            *("format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
            *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField"),
            "transform",
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}
"""The context that the specification prescribes."""

_TYPES = {pa.string(): "sc:Text", pa.int32(): "sc:Integer", pa.int64(): "sc:Integer", pa.float64(): "sc:Float"}


def describe(manifest: dict[str, Any], folder: Path, captions: Iterable[CaptionSet]) -> dict[str, Any]:
    """Return the description; it holds no date and no address, so equal datasets have equal descriptions.

    Arguments:
        manifest: The dataset's manifest.
        folder: The dataset folder, for the sizes of its files.
        captions: Its captions.
    """
    captions = list(captions)
    names = source_names(manifest)
    written = [*manifest["shards"], *manifest["sidecar"].values()]
    data = [_file_object(folder, entry["file"], entry["sha256"]) for entry in written]
    words = [_file_object(folder, p, sha256_file(folder / p)) for made in captions for p in made.files.values()]
    globs = [f"data/{split}-*.parquet" for split in manifest["splits"]]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "mixed-degradations",
        "alternateName": PRETTY_NAME,
        "description": _summary(manifest),
        "version": manifest["tool"],
        "license": _licences(manifest, names),
        "citeAs": "\n\n".join(bibliography(names)),
        "isBasedOn": [_based_on(name) for name in names],
        "keywords": ["image restoration", *dict.fromkeys(w for s in manifest["splits"].values() for w in s["counts"])],
        "isLiveDataset": False,
        "distribution": [
            *data,
            *words,
            _file_set("pairs-files", globs, "The shards of all splits."),
            *(_file_set(f"{m.config}-files", list(m.files.values()), f"Captions by {m.captioner}.") for m in captions),
        ],
        "recordSet": [
            _splits(manifest),
            {
                "@type": "cr:RecordSet",
                "@id": "pairs",
                "name": "pairs",
                "description": "One record a pair of a degraded and a clean image.",
                "key": {"@id": "pairs/key"},
                "field": [_field("pairs", field) for field in RECORDS],
            },
            *(
                {
                    "@type": "cr:RecordSet",
                    "@id": made.config,
                    "name": made.config,
                    "description": f"One record a pair: the caption by {made.captioner}, joined to the pairs by key.",
                    "key": {"@id": f"{made.config}/key"},
                    "field": [_field(made.config, field) for field in made.schema],
                }
                for made in captions
            ),
        ],
    }


def _summary(manifest: dict[str, Any]) -> str:
    counts = ", ".join(f"{split['rows']} for {name}ing" for name, split in manifest["splits"].items())
    brought = ", ".join(title(name) for name in source_names(manifest))
    return f"Pairs of degraded and clean images ({counts}) from {brought}. Digest of the data: {manifest['digest']}."


def _licences(manifest: dict[str, Any], names: list[str]) -> list[str]:
    if strictest(manifest) == OTHER:
        return [f"{title(name)}: {licence(name)}" for name in names]
    return list(dict.fromkeys(f"https://spdx.org/licenses/{SOURCES[name].spdx}.html" for name in names))


def _based_on(name: str) -> dict[str, Any]:
    told = {"@type": "sc:Dataset", "name": title(name), "citation": cite(name), "license": licence(name)}
    obtain = SOURCES[name].obtain if name in SOURCES else ""
    return {**told, "description": f"Obtained from {obtain}."} if obtain else told


def _file_object(folder: Path, path: str, digest: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path.split("/")[-1],
        "contentUrl": path,
        "contentSize": f"{(folder / path).stat().st_size} B",
        "encodingFormat": PARQUET,
        "sha256": digest,
    }


def _file_set(name: str, includes: list[str], description: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "encodingFormat": PARQUET,
        "includes": includes,
    }


def _splits(manifest: dict[str, Any]) -> dict[str, Any]:
    roles = {"train": "cr:TrainingSplit", "test": "cr:TestSplit"}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits, with their number of pairs.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
            {"@type": "cr:Field", "@id": "splits/pairs", "name": "pairs", "dataType": "sc:Integer"},
        ],
        "data": [
            {"splits/name": name, "splits/url": roles[name], "splits/pairs": split["rows"]}
            for name, split in manifest["splits"].items()
        ],
    }


def _field(record_set: str, column: pa.Field) -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": f"{record_set}-files"}, "extract": {"column": column.name}}
    kind: dict[str, Any] = {}
    if isinstance(column.type, pa.StructType):
        kind["dataType"] = "sc:ImageObject"
        source["transform"] = {"jsonPath": "bytes"}
    elif isinstance(column.type, pa.ListType):
        kind |= {"dataType": _TYPES[column.type.value_type], "repeated": True}
    else:
        kind["dataType"] = _TYPES[column.type]
    if column.name == "split":
        kind |= {"dataType": ["sc:Text", "cr:Split"], "references": {"field": {"@id": "splits/name"}}}
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "description": COLUMNS.get(column.name, f"Column {column.name}."),
        **kind,
        "source": source,
    }
