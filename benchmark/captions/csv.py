"""The authors' caption files for a dataset that was built here: under which names they may know its pairs."""

from __future__ import annotations

import logging
from pathlib import Path

from benchmark.dataset.folder import Dataset
from benchmark.export.names import by_type, file_stems
from captioning.captioners.csv import CsvCaptioner, NamedRow
from models.errors import UserError

PREFIX = "csv:"


def open_csv(name: str, data: Dataset) -> CsvCaptioner:
    """Return the captioner that `--captioner csv:PATH` means.

    Arguments:
        name: `"csv:PATH"`, the path being a caption file or a folder with `daclip_train.csv` and `daclip_val.csv`.
        data: The dataset to be captioned.

    Raises:
        UserError: The path is missing, or its files are broken or belong to another dataset.
    """
    path = name.removeprefix(PREFIX)
    if not name.startswith(PREFIX) or not path:
        raise UserError(f"--captioner {name}: expected csv:PATH, a caption file or the folder of daclip_*.csv")
    captioner = CsvCaptioner([Path(path)], named_rows(data))
    for note in captioner.notes:
        logging.getLogger(__name__).warning(note)
    return captioner


def named_rows(data: Dataset) -> list[NamedRow]:
    """Return all pairs with the names that the authors' caption files may call them by.

    These are the names that an export gives them, the last part of the key, and what follows the type in the key.
    """
    found: list[NamedRow] = []
    for split in data.manifest["splits"]:
        rows = data.index(split)
        stems = {
            row["key"]: stem
            for same in by_type(rows).values()
            for row, stem in zip(same, file_stems(same), strict=True)
        }
        for row in rows:
            parts = row["key"].split("/")
            tail = parts[parts.index(row["degradation"]) + 1 :] if row["degradation"] in parts[:-1] else parts[-1:]
            names = (parts[-1], stems[row["key"]], *(mark.join(tail) for mark in ("_", "-", "")))
            unique = tuple(dict.fromkeys(names))
            found.append(NamedRow(row["key"], split, row["degradation"], row["clean_sha256"], unique))
    return found
