"""BLIP through transformers: the captions of the paper."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from huggingface_hub import constants, try_to_load_from_cache
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from captioning.captioners.contract import CleanImage
from models.errors import UserError
from models.files import sha256_file
from models.images import decode

FILES = (
    "config.json",
    "preprocessor_config.json or processor_config.json",
    "tokenizer_config.json",
    "vocab.txt or tokenizer.json",
)
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class BlipCaptioner:
    """Greedy captions of at most 32 new tokens, as clip-interrogator's defaults make them.

    Half precision is used on a GPU, single precision on a CPU.

    Arguments:
        name: What the captions are attributed to.
        weights: Name on the Hugging Face hub, or a local folder written by `save_pretrained`.
        device: Where the model runs.

    Raises:
        UserError: The model cannot be had; the message lists the files and where to put them.

    References:
        BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding and Generation
        (Li et al., 2022) https://arxiv.org/abs/2201.12086
    """

    def __init__(self, *, name: str, weights: str, device: str = "cpu") -> None:
        self.name = name
        self.settings: dict[str, Any] = {"do_sample": False, "num_beams": 1, "max_new_tokens": 32}
        self._device = torch.device(device)
        dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        local = Path(weights).is_dir()
        cached = isinstance(try_to_load_from_cache(weights, "config.json"), str) if not local else True
        if local:
            _check_folder(Path(weights))
        elif not cached and not _hub_answers():
            raise UserError(_how_to_get(weights, "they are not in the local cache and the hub does not answer"))
        try:
            self._processor: Any = BlipProcessor.from_pretrained(weights, local_files_only=cached)
            model: Any = BlipForConditionalGeneration.from_pretrained(weights, dtype=dtype, local_files_only=cached)
        except (OSError, ValueError) as error:
            raise UserError(_how_to_get(weights, str(error).splitlines()[0])) from None
        self._model = model.to(self._device).eval()
        self.revision = _folder_revision(Path(weights)) if local else str(model.config._commit_hash)

    @torch.inference_mode()
    def caption(self, images: Sequence[CleanImage]) -> list[str]:
        """Return one caption an image, special tokens dropped and outer spaces stripped."""
        pictures = []
        for image in images:
            assert image.data is not None, "a captioner that needs pixels was given none"
            pictures.append(Image.fromarray(decode(image.data)))
        inputs = self._processor(images=pictures, return_tensors="pt").to(self._device, self._model.dtype)
        tokens = self._model.generate(pixel_values=inputs["pixel_values"], **self.settings)
        return [text.strip() for text in self._processor.batch_decode(tokens, skip_special_tokens=True)]


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


def _check_folder(folder: Path) -> None:
    missing = [name for name in FILES if not any((folder / part).is_file() for part in name.split(" or "))]
    if not any((folder / name).is_file() for name in WEIGHTS):
        missing.append(" or ".join(WEIGHTS))
    if missing:
        raise UserError(
            f"captioner folder {folder} is missing {', '.join(missing)}: save a BLIP with save_pretrained there"
        )


def _folder_revision(folder: Path) -> str:
    file = next(folder / name for name in WEIGHTS if (folder / name).is_file())
    return f"sha256:{sha256_file(file)[:16]}"


def _how_to_get(weights: str, reason: str) -> str:
    return (
        f"the captioner's weights {weights} cannot be loaded ({reason}); on a machine with internet run "
        f"'hf download {weights} --local-dir FOLDER' ({', '.join(FILES)}, {' or '.join(WEIGHTS)}), then pass "
        "--captioner FOLDER"
    )
