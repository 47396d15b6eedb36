"""A network and the DA-CLIP that it listens to, as one module; saved and loaded with its birth certificate."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.daclip.build import load_daclip
from models.daclip.classify import cosines, embed_words
from models.daclip.controller import DaClip
from models.daclip.preprocess import preprocess_batch, preprocess_images
from models.errors import UserError
from models.files import sha256_file
from models.networks import NETWORKS
from models.networks.build import build
from models.weights import load_into, load_state, read_metadata, save_weights, weights_file

SCHEMA = 1


class Restorer(nn.Module):
    """Images in, restored images out.

    Arguments:
        name: The network's name in the catalogue.
        network: The network.
        daclip: Needed when the network is conditioned; it is frozen and stays in evaluation mode.

    Raises:
        UserError: The network needs a DA-CLIP and there is none, or their embeddings differ in length.
    """

    def __init__(self, *, name: str, network: nn.Module, daclip: DaClip | None = None) -> None:
        super().__init__()
        self.card = NETWORKS[name]
        if self.card.conditioning != "none" and daclip is None:
            raise UserError(f"network {name!r} needs a DA-CLIP: train one first and give its file or run as --daclip")
        self.network = network
        self.daclip = None
        if daclip is not None and self.card.conditioning != "none":
            expected = getattr(network, "embedding_dim", daclip.embed_dim)
            if expected != daclip.embed_dim:
                raise UserError(
                    f"network {name!r} was built for embeddings of length {expected}, but this DA-CLIP gives "
                    f"{daclip.embed_dim}"
                )
            self.daclip = daclip.requires_grad_(False).eval()

    @property
    def multiple_of(self) -> int:
        """What height and width must be multiples of."""
        own: Any = getattr(self.network, "multiple_of", self.card.multiple_of)
        return int(own)

    @property
    def device(self) -> torch.device:
        """Where the weights are; the CPU when there are none."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def train(self, mode: bool = True) -> Restorer:
        """Set the mode of the network; the DA-CLIP stays in evaluation mode."""
        super().train(mode)
        if self.daclip is not None:
            self.daclip.eval()
        return self

    @torch.no_grad()
    def embed(self, batch: Tensor, *, exact: bool = False) -> tuple[Tensor, Tensor] | None:
        """Return the un-normalised content and degradation embeddings, or None when the network takes none.

        Arguments:
            batch: Images with shape `(B, 3, H, W)`, in [0, 1].
            exact: True for the published preprocessing, image by image; False for the fast one of training.
        """
        if self.daclip is None:
            return None
        prepare = preprocess_images if exact else preprocess_batch
        return self.daclip.embed(prepare(batch, size=self.daclip.image_size))

    def apply_network(self, batch: Tensor, embeddings: tuple[Tensor, Tensor] | None) -> Tensor:
        """Run the network on a batch, or on tiles of it, with embeddings computed before."""
        if embeddings is None:
            return self.network(batch)
        content, degradation = embeddings
        if self.card.conditioning == "degradation":
            return self.network(batch, degradation=degradation)
        return self.network(batch, degradation=degradation, content=content)

    def forward(self, batch: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        return self.apply_network(batch, self.embed(batch))

    def recognise(self, image: Tensor, words: Sequence[str]) -> list[tuple[str, float]]:
        """Say which degradation an image has.

        Arguments:
            image: An image with shape `(3, H, W)`, in [0, 1].
            words: The degradation words to choose from.

        Returns:
            The words with their probabilities, most probable first.

        Raises:
            UserError: The network does not use a DA-CLIP.
        """
        if self.daclip is None:
            raise UserError(f"network {self.card.name!r} uses no DA-CLIP and cannot say what is wrong with an image")
        prepared = preprocess_images(image[None].to(self.device), size=self.daclip.image_size)
        logits = self.daclip.logit_scale.exp() * cosines(self.daclip, prepared, embed_words(self.daclip, words))[0]
        probabilities = logits.softmax(dim=0).tolist()
        return sorted(zip(words, probabilities, strict=True), key=lambda pair: -pair[1])


def save_run_weights(
    path: Path,
    *,
    task: str,
    network: str,
    state: nn.Module | Mapping[str, Tensor],
    arch: Mapping[str, object],
    recipe: Mapping[str, object],
    dataset: Mapping[str, object],
    step: int,
    daclip: Path | None = None,
    tool: str | None = None,
) -> None:
    """Write weights with all that is needed to use and to repeat them.

    Arguments:
        path: The file to write, e.g. `RUN/weights.safetensors`.
        task: "restoration" or "daclip".
        network: The network's name; "daclip" for the task of that name.
        state: The module or its state dict; without the DA-CLIP that a network listens to.
        arch: Constructor arguments of the network; `DaClip.arch` for a DA-CLIP.
        recipe: The recipe in full.
        dataset: What it was trained on, e.g. `{"digest": ...}`.
        step: Number of steps done.
        daclip: Weights file or run of the DA-CLIP that the network was trained with.
        tool: Version of the program; None to look up the installed one.

    Raises:
        UserError: The task is unknown or the DA-CLIP file does not exist.
    """
    if task not in ("restoration", "daclip"):
        raise UserError(f"unknown task {task!r}: restoration or daclip")
    listened: dict[str, object] | None = None
    if daclip is not None:
        file = weights_file(daclip)
        # Relative, so that a folder of runs can be moved as a whole.
        listened = {"file": os.path.relpath(file, path.parent), "sha256": sha256_file(file)}
    metadata = {
        "schema": SCHEMA,
        "task": task,
        "network": network,
        "arch": dict(arch),
        "daclip": listened,
        "recipe": dict(recipe),
        "dataset": dict(dataset),
        "step": step,
        "tool": tool or _version(),
    }
    save_weights(path, state.state_dict() if isinstance(state, nn.Module) else state, metadata)


def _version() -> str:
    try:
        return importlib.metadata.version("daclip-bench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def load_restorer(
    network: str, weights: Path | None, *, daclip: Path | None = None, device: str | torch.device = "cpu"
) -> Restorer:
    """Load a network, and the DA-CLIP that it was trained with, ready to restore.

    Arguments:
        network: A name of the catalogue.
        weights: A weights file, ours or a released one, or a run folder; None for a network without weights.
        daclip: DA-CLIP weights or run; None to use the one that the weights' metadata name, if it is unchanged.
        device: Where to put the modules.

    Returns:
        The restorer in evaluation mode.

    Raises:
        UserError: Something is missing, damaged, or does not belong together; the message says which file to give.
    """
    card = NETWORKS[network]
    if weights is None:
        module = build(network, {})
        if next(module.parameters(), None) is not None:
            raise UserError(f"network {network!r} needs weights: give a weights file or a run folder as --weights")
        return Restorer(name=network, network=module).eval().to(device)
    path = weights_file(weights)
    metadata = read_metadata(path)
    made_for = metadata.get("network", network)
    if made_for != network:
        raise UserError(f"{path} holds the network {made_for!r}, not {network!r}")
    state = load_state(path)
    arch = metadata["arch"] if "arch" in metadata else _infer_arch(network, state, path)
    module = build(network, arch)
    load_into(module, state, f"the weights {path}")
    listened = None
    if card.conditioning != "none":
        listened = load_daclip(_daclip_file(network, path, metadata, daclip))
    return Restorer(name=network, network=module, daclip=listened).eval().to(device)


def _infer_arch(network: str, state: Mapping[str, Tensor], path: Path) -> dict[str, object]:
    infer = getattr(NETWORKS.load(network), "infer_arch", None)
    if infer is None:
        raise UserError(f"{path} does not say its architecture: only weights written by `bench train` can be used here")
    return infer(state)


def _daclip_file(network: str, path: Path, metadata: Mapping[str, Any], given: Path | None) -> Path:
    if given is not None:
        return weights_file(given)
    known = metadata.get("daclip")
    if not known:
        raise UserError(f"{path} does not say which DA-CLIP {network!r} was trained with: give it as --daclip")
    file = path.parent / known["file"]
    if not file.is_file():
        state = "is not there"
    elif sha256_file(file) != known["sha256"]:
        state = "has changed since"
    else:
        return file
    raise UserError(
        f"{network!r} was trained with the DA-CLIP {file}, which {state}: give the file with sha256 {known['sha256']} "
        "as --daclip"
    )
