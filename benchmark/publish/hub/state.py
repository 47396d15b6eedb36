"""What a branch of a repository holds, and whether a local file is among it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.publish.hub.files import DatasetFile

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile


@dataclass(frozen=True)
class State:
    """What a branch holds.

    Arguments:
        commit: Its head.
        files: Its files by path.
    """

    commit: str
    files: Mapping[str, RepoFile]

    def holds(self, file: DatasetFile) -> bool:
        """Return whether the branch has this file with these very bytes."""
        found = self.files.get(file.path)
        if found is None or found.size != file.size:
            return False
        return found.lfs.sha256 == file.sha256 if found.lfs else found.blob_id == file.blob
