"""What lies beside the shards of a dataset, decoded images and captions: is it still what was written?"""

from __future__ import annotations

from benchmark.dataset.folder import Dataset
from benchmark.training.cache.read import check_cache
from benchmark.verify.findings import Finding
from captioning.tables import read_table
from models.errors import UserError


def kept_findings(dataset: Dataset) -> list[Finding]:
    """Return a finding for each decoded image and each caption file that was changed after it was written."""
    found = [Finding("error", "cache", ".cache", problem) for problem in check_cache(dataset.folder / ".cache")]
    for split in dataset.manifest["splits"]:
        found += [Finding("error", "captions", split, problem) for problem in check_captions(dataset, split)]
    return found


def check_captions(dataset: Dataset, split: str) -> list[str]:
    """Compare the caption files of a split, those in use and those of all sets, with their digests.

    Returns:
        A sentence for each file that is damaged.
    """
    found: list[str] = []
    top = dataset.folder / "captions"
    for file in (top / f"{split}.parquet", *sorted(top.glob(f"[!.]*/{split}.parquet"))):
        try:
            if file.is_file():
                read_table(file)
        except UserError as error:
            found.append(str(error))
    return found
