"""Any model of transformers that captions from pixels alone: BLIP (the paper's), BLIP-2, GIT, ViT-GPT2 and the like."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Literal, get_args

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer, LogitsProcessorList
from transformers.utils import logging

from captioning.captioners.code_in_folders import refuse_code, unanswered
from captioning.captioners.contract import CleanImage
from captioning.captioners.margins import MarginRecorder
from captioning.captioners.model_files import find_model
from captioning.captioners.stored_weights import check_files
from models.errors import UserError
from models.files import read_json
from models.images.pixels import decode

Precision = Literal["auto", "fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


VISION = {
    "blip": "vision_model",
    "blip-2": "vision_model",
    "git": "git.image_encoder",
    "vision-encoder-decoder": "encoder",
}
"""The model types that need nothing but pixels, and where their vision tower is; others want a prompt of their own."""


class HubCaptioner:
    """Greedy captions of at most 32 new tokens, as clip-interrogator's defaults make them for the paper.

    A caption is defined as that of the image alone. Batches give the same one: where the best two tokens of a step lie
    so close that another order of additions could exchange them, the image is run once more alone. So the batch size,
    and whether the vision tower is compiled, are free to choose and leave no trace.

    Arguments:
        name: What the captions are attributed to.
        weights: A name on the hub, or a folder written by `save_pretrained`.
        revision: The commit wanted of the hub; None for the newest.
        device: Where the model runs.
        precision: Of weights and activations; `"auto"` is half precision on a GPU and single precision on a CPU.
        max_new_tokens: Longest caption, in tokens.
        compile: Whether the vision tower is compiled: slower to start, faster to run.

    Raises:
        UserError: The model cannot be had, is of a type that needs a prompt, or there is no such device.

    References:
        BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding and Generation
        (Li et al., 2022) https://arxiv.org/abs/2201.12086
    """

    def __init__(
        self,
        *,
        name: str,
        weights: str,
        revision: str | None = None,
        device: str = "cpu",
        precision: Precision = "auto",
        max_new_tokens: int = 32,
        compile: bool = False,
    ) -> None:
        self.name = name
        self._device = _check_device(device)
        if precision == "auto":
            precision = "fp16" if self._device.type == "cuda" else "fp32"
        if precision == "fp16" and self._device.type == "cpu":
            raise UserError("--precision fp16 needs a GPU: use bf16 or fp32 on a CPU")
        files = find_model(weights, revision=revision)
        refuse_code(files.folder, "the captioner in")
        self.revision = files.revision
        self.settings: dict[str, Any] = {
            "do_sample": False,
            "num_beams": 1,
            "max_new_tokens": max_new_tokens,
            "precision": precision,
        }
        self._folder = files.folder
        self._type = read_json(files.folder / "config.json", "configuration of the captioner").get("model_type")
        if self._type not in VISION:
            raise UserError(
                f"captioner {weights} is of type {self._type!r}, which does not caption from pixels alone: use one "
                f"of type {', '.join(VISION)}"
            )
        self._dtype = _DTYPES[precision]
        self._compile = compile
        self._model: Any = None

    def load(self) -> None:
        """Read the model into memory; further calls do nothing.

        Raises:
            UserError: The files are damaged or contain code, or transformers refuses them; the reason is told.
        """
        if self._model is not None:
            return
        check_files(self._folder)
        logging.disable_progress_bar()  # it would write into ours
        try:
            with unanswered():
                loaded = self._load()
        except Exception as error:  # settings of wrong types make it raise nearly anything
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"the captioner in {self._folder} cannot be loaded ({reason}): fetch it again") from None
        model, report = loaded
        # Missing weights would be drawn at random; only a pooler, which no caption needs, may be missing.
        if missing := sorted(key for key in report["missing_keys"] if ".pooler." not in key):
            raise UserError(
                f"the captioner in {self._folder} lacks {len(missing)} weights (e.g. {missing[0]}): fetch it again"
            )
        model = model.to(self._device).eval()
        self._end = _end_tokens(model)
        if self._compile:
            model.get_submodule(VISION[self._type]).compile(dynamic=False)
        self._model = model

    def _load(self) -> Any:
        """Read processor, tokenizer and model; no code that the folder may hold is run."""
        self._image_processor: Any = AutoImageProcessor.from_pretrained(
            self._folder, local_files_only=True, trust_remote_code=False
        )
        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            self._folder, local_files_only=True, trust_remote_code=False
        )
        return AutoModelForImageTextToText.from_pretrained(
            self._folder,
            dtype=self._dtype,
            local_files_only=True,
            output_loading_info=True,
            trust_remote_code=False,
            weights_only=True,
        )

    def prepare(self, image: CleanImage) -> Tensor:
        """Decode and scale an image to the model's input, with shape `(C, H, W)`.

        Raises:
            BadImage: The image cannot be decoded.
        """
        assert image.data is not None, "a captioner that needs pixels was given none"
        picture = Image.fromarray(decode(image.data))
        return self._image_processor(images=picture, return_tensors="pt")["pixel_values"][0]

    def caption_prepared(self, inputs: Sequence[Tensor]) -> list[str]:
        """Return one caption an input, special tokens dropped and outer spaces stripped."""
        texts, doubtful = self._search(inputs)
        if len(inputs) > 1 or self._compile:
            for index in (index for index, doubt in enumerate(doubtful) if doubt):
                texts[index] = self._search(inputs[index : index + 1], alone=True)[0][0]
        return texts

    def caption(self, images: Sequence[CleanImage]) -> list[str]:
        """Return one caption an image, in order."""
        self.load()
        return self.caption_prepared([self.prepare(image) for image in images])

    @torch.inference_mode()
    def _search(self, inputs: Sequence[Tensor], *, alone: bool = False) -> tuple[list[str], list[bool]]:
        """Return the captions, and for each whether another batch might give another one."""
        recorder = MarginRecorder(self._dtype)
        settings = {key: value for key, value in self.settings.items() if key != "precision"}
        plainly = torch.compiler.set_stance("force_eager") if alone and self._compile else nullcontext()
        try:
            with plainly:
                tokens = self._model.generate(
                    pixel_values=torch.stack(list(inputs)).to(self._device, self._dtype),
                    logits_processor=LogitsProcessorList([recorder]),
                    **settings,
                )
        except torch.OutOfMemoryError:
            raise UserError(
                f"{self._device} has too little memory for {len(inputs)} images at once: use a smaller --batch-size"
            ) from None
        texts = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() for text in texts], recorder.doubtful(tokens, end=self._end)


def _check_device(device: str) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"there is no device {device!r} here ({reason}): use cpu, cuda or cuda:1") from None
    return found


def _end_tokens(model: Any) -> tuple[int, ...]:
    """Return the tokens at which this model's search ends; BLIP hands over another one than its configuration says."""
    if model.config.model_type == "blip":
        return (model.config.text_config.sep_token_id,)
    end = model.generation_config.eos_token_id
    if end is None:
        return ()
    return tuple(end) if isinstance(end, list) else (end,)
