"""Where the files of an image-to-text model are: a folder, the local cache, or the hub."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from models.errors import UserError
from models.files import sha256_file, sha256_json

NEEDED = (
    ("config.json",),
    ("preprocessor_config.json", "processor_config.json"),
    ("tokenizer_config.json",),
    ("vocab.txt", "vocab.json", "tokenizer.json", "tokenizer.model"),
    ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"),
)
"""What a folder has to hold: one file of each line."""

TEXT = (".json", ".txt", ".model")


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model.

    Arguments:
        folder: The folder that holds them.
        revision: The commit on the hub, or `"sha256:..."` of the files of a local folder.
    """

    folder: Path
    revision: str


def find_model(weights: str, *, revision: str | None = None) -> ModelFiles:
    """Find a model, and fetch it when it is only on the hub.

    Arguments:
        weights: A folder written by `save_pretrained` or `hf download`, or a name on the hub.
        revision: The commit wanted of the hub; None for the newest.

    Raises:
        UserError: It cannot be had; the message lists the files and says how to get them.
    """
    if Path(weights).is_dir():
        folder = Path(weights)
        if missing := _missing(folder):
            raise UserError(
                f"captioner folder {folder} is missing {', '.join(missing)}: save a captioning model with "
                "save_pretrained there, or fetch one with 'hf download NAME --local-dir FOLDER'"
            )
        return ModelFiles(folder, _digest(folder))
    try:
        cached = try_to_load_from_cache(weights, "config.json", revision=revision)
    except HFValidationError:
        raise UserError(f"{weights!r} is neither a folder nor a model's name on the hub (OWNER/NAME)") from None
    if isinstance(cached, str) and not _missing(Path(cached).parent):
        return ModelFiles(Path(cached).parent, Path(cached).parent.name)
    if not _hub_answers():
        what = "only in part in" if isinstance(cached, str) else "not in"
        raise UserError(_how_to_get(weights, revision, f"they are {what} the local cache and the hub does not answer"))
    try:
        files = HfApi().list_repo_files(weights, revision=revision)
        kind = "*.safetensors" if any(name.endswith(".safetensors") for name in files) else "*.bin"
        wanted = [kind, *(f"*{ending}" for ending in TEXT)]
        folder = Path(snapshot_download(weights, revision=revision, allow_patterns=wanted))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise UserError(_how_to_get(weights, revision, str(error).strip().splitlines()[0])) from None
    if missing := _missing(folder):
        raise UserError(f"{weights} on the hub is missing {', '.join(missing)}: choose another captioner")
    return ModelFiles(folder, folder.name)


def _missing(folder: Path) -> list[str]:
    return [" or ".join(names) for names in NEEDED if not any((folder / name).is_file() for name in names)]


def _digest(folder: Path) -> str:
    """Return a digest of everything a caption depends on: weights, configuration, tokenizer, preprocessing."""
    files = {file.name: file for file in sorted(folder.iterdir()) if file.is_file()}
    safe = any(name.endswith(".safetensors") for name in files)
    endings = (*TEXT, ".safetensors" if safe else ".bin")
    used = {name: sha256_file(file) for name, file in files.items() if name.endswith(endings)}
    return f"sha256:{sha256_json(used)[:16]}"


def _hub_answers() -> bool:
    """Ask once whether the hub can be reached; its own client would retry every file for minutes."""
    if constants.HF_HUB_OFFLINE:
        return False
    host = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((host.hostname or "", host.port or 443), timeout=5).close()
    except OSError:
        return False
    return True


def _how_to_get(weights: str, revision: str | None, reason: str) -> str:
    commit = f" --revision {revision}" if revision else ""
    files = ", ".join(" or ".join(names) for names in NEEDED)
    return (
        f"the captioner's weights {weights} cannot be loaded ({reason}); on a machine with internet run "
        f"'hf download {weights}{commit} --local-dir FOLDER' (it brings {files}), then pass --captioner FOLDER"
    )
