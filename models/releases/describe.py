"""What a weights file is: network, size, layout, origin, and what it would be loaded as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from models.networks import NetworkCard
from models.releases.matching import doubt, owners
from models.releases.official import OfficialFile, by_digest, defaults_of
from models.releases.recognise import recognise
from models.weights.nesting import Checkpoint
from models.weights.opened import OpenedWeights, open_weights


@dataclass(frozen=True, kw_only=True)
class Description:
    """Everything that can be said about a weights file without running its network.

    Arguments:
        path: The file.
        sha256: Its digest.
        checkpoint: Its tensors and what lies beside them.
        metadata: What our program stored in it, or what is known of such a file of the authors; empty when unknown.
        ours: Whether the metadata come from the file itself.
        official: The released file of DA-CLIP's authors that it is, byte for byte.
        owners: The networks of the catalogue that released exactly this file.
        doubt: A sentence when it is as long as a released file and another, see `matching.doubt`.
    """

    path: Path
    sha256: str
    checkpoint: Checkpoint
    metadata: dict[str, Any]
    ours: bool
    official: OfficialFile | None
    owners: list[NetworkCard]
    doubt: str | None = None

    @property
    def parameters(self) -> int:
        """Number of parameters; a tensor with two names counts once."""
        state = self.checkpoint.state
        twins = {key for key in state if key.startswith("visual.") and f"clip.{key}" in state}
        return sum(value.numel() for key, value in state.items() if key not in twins)

    @property
    def dtypes(self) -> dict[str, int]:
        """Number of tensors of each kind of number."""
        return count(str(value.dtype).removeprefix("torch.") for value in self.checkpoint.state.values())

    @property
    def groups(self) -> dict[str, int]:
        """Number of tensors under each first part of their names."""
        return count(key.partition(".")[0] for key in self.checkpoint.state)


def count(words: Iterable[str]) -> dict[str, int]:
    """Count words, in the order of their first appearance."""
    return dict(Counter(words))


def describe(source: Path | OpenedWeights) -> Description:
    """Look into a weights file, ours or the authors', without running code found in it.

    Raises:
        UserError: The file is missing or damaged, asks for code to be run, or holds no tensors.
    """
    opened = open_weights(source)
    checkpoint, metadata = opened.checkpoint(), opened.metadata
    path, digest, cards = opened.path, opened.digest, owners(opened)
    released = by_digest(digest)
    known = metadata or _known(checkpoint.state, released.name if released else path.name, cards)
    return Description(
        path=path,
        sha256=digest,
        checkpoint=checkpoint,
        metadata=known,
        ours=bool(metadata),
        official=released,
        owners=cards,
        doubt=doubt(opened),
    )


def _known(state: Mapping[str, Tensor], name: str, owners: list[NetworkCard]) -> dict[str, Any]:
    layout = recognise(state, released=owners[0].name if owners else None)
    return {} if layout is None else defaults_of(layout, name)
