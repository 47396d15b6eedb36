"""Captioners with a model: equal to the plain loop of transformers, whatever the batch; refused in one sentence."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_blip
import torch
from PIL import Image
from small_splits import pictures
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

from captioning.captioners import CAPTIONERS
from captioning.captioners.contract import CleanImage
from captioning.captioners.hub import VISION, HubCaptioner
from captioning.captioners.margins import MarginRecorder
from captioning.captioners.model_files import find_model
from captioning.stream import caption_stream
from models.errors import UserError
from models.files import sha256_bytes

SAVERS: dict[str, Callable[[Path], Path]] = {
    "blip": tiny_blip.save_blip,
    "blip-2": tiny_blip.save_blip2,
    "git": tiny_blip.save_git,
    "vision-encoder-decoder": tiny_blip.save_vit_gpt2,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("captioners")
    return {kind: SAVERS[kind](root / kind) for kind in VISION}


def images(count: int) -> list[CleanImage]:
    return [CleanImage(sha256_bytes(p), str(number), p) for number, p in enumerate(pictures(count))]


def plain_captions(folder: Path, count: int) -> list[str]:
    """Return captions by the plain loop over single images, as the documentation of transformers shows it."""
    processor: Any = AutoImageProcessor.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForImageTextToText.from_pretrained(folder)
    texts = []
    for picture in pictures(count):
        inputs = processor(images=Image.open(io.BytesIO(picture)).convert("RGB"), return_tensors="pt")
        with torch.no_grad():
            tokens = model.generate(
                pixel_values=inputs["pixel_values"], max_new_tokens=32, num_beams=1, do_sample=False
            )
        texts.append(tokenizer.decode(tokens[0], skip_special_tokens=True).strip())
    return texts


@pytest.mark.parametrize("kind", VISION)
def test_captions_equal_the_plain_loop_for_every_batch_size(saved: dict[str, Path], kind: str) -> None:
    count = 20
    expected = plain_captions(saved[kind], count)
    assert len(set(expected)) > 3
    captioner = HubCaptioner(name="tiny", weights=str(saved[kind]))
    for batch_size, threads in ((1, 1), (3, 3), (16, 2), (count, 1)):
        found = list(caption_stream(images(count), captioner, batch_size=batch_size, threads=threads))
        assert [item.caption for item in found] == expected, batch_size
        assert [item.key for item in found] == [str(number) for number in range(count)]


def test_blip_with_its_own_processor_says_the_same(saved: dict[str, Path]) -> None:
    from transformers import BlipForConditionalGeneration, BlipProcessor

    processor: Any = BlipProcessor.from_pretrained(saved["blip"])
    model: Any = BlipForConditionalGeneration.from_pretrained(saved["blip"])
    texts = []
    for picture in pictures(6):
        inputs = processor(images=Image.open(io.BytesIO(picture)), return_tensors="pt")
        texts.append(processor.decode(model.generate(**inputs, max_new_tokens=32)[0], skip_special_tokens=True).strip())
    assert CAPTIONERS.load("blip-large")(name="tiny", weights=str(saved["blip"])).caption(images(6)) == texts


def test_near_ties_are_doubted_and_clear_or_later_ones_are_not() -> None:
    scores = torch.zeros(4, 5)
    scores[:, 1] = 4.0
    scores[1, 2] = 4.0 - 1e-6  # within float32's noise of the best
    scores[2, 2] = 4.0 - 1e-2  # small, but no noise
    recorder = MarginRecorder(torch.float32)
    prompt = torch.zeros(4, 1, dtype=torch.long)
    assert recorder(prompt, scores) is scores
    tie_after_the_end = scores.clone()
    tie_after_the_end[0, 2] = 4.0
    recorder(torch.ones(4, 2, dtype=torch.long), tie_after_the_end)
    tokens = torch.tensor([[0, 1, 1], [0, 1, 1], [0, 1, 1], [0, 1, 1]])
    assert recorder.doubtful(tokens, end=(1,)) == [False, True, False, False]
    assert recorder.doubtful(tokens, end=(9,)) == [True, True, False, False]


def test_doubted_captions_are_those_of_the_image_alone(saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """With so much room that every caption is doubted, every image runs alone as well, and nothing changes."""
    from captioning.captioners import margins

    captioner = HubCaptioner(name="tiny", weights=str(saved["blip"]))
    expected = captioner.caption(images(8))
    monkeypatch.setitem(margins.ULPS, torch.float32, 1e12)
    sizes: list[int] = []
    search = captioner._search
    monkeypatch.setattr(captioner, "_search", lambda inputs, **how: sizes.append(len(inputs)) or search(inputs, **how))
    assert captioner.caption(images(8)) == expected
    assert sizes == [8] + 8 * [1]


def test_half_precision_on_a_cpu_is_equal_for_every_batch_size_too(saved: dict[str, Path]) -> None:
    captioner = HubCaptioner(name="tiny", weights=str(saved["blip"]), precision="bf16")
    alone = [captioner.caption([image])[0] for image in images(16)]
    assert captioner.caption(images(16)) == alone
    assert captioner.settings["precision"] == "bf16"


@pytest.mark.slow
def test_a_compiled_vision_tower_leaves_no_trace(saved: dict[str, Path]) -> None:
    plain = HubCaptioner(name="tiny", weights=str(saved["blip"]))
    compiled = HubCaptioner(name="tiny", weights=str(saved["blip"]), compile=True)
    assert compiled.settings == plain.settings
    found = list(caption_stream(images(11), compiled, batch_size=4))
    assert [item.caption for item in found] == plain.caption(images(11))


def test_length_is_bounded_and_recorded(saved: dict[str, Path]) -> None:
    captioner = HubCaptioner(name="tiny", weights=str(saved["blip"]), max_new_tokens=3)
    assert {len(text.split()) for text in captioner.caption(images(8))} <= {0, 1, 2, 3}
    assert captioner.settings["max_new_tokens"] == 3


def test_the_revision_of_a_folder_follows_everything_a_caption_depends_on(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(saved["blip"], folder)
    first = find_model(str(folder)).revision
    assert first == find_model(str(saved["blip"])).revision
    (folder / "notes.md").write_text("read me")
    assert find_model(str(folder)).revision == first
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "note": 1}))
    assert find_model(str(folder)).revision != first


def test_missing_weights_say_which_files_and_where(tmp_path: Path) -> None:
    card = CAPTIONERS["blip-large"]
    with pytest.raises(UserError, match=rf"hf download {card.weights} --revision {card.revision} .*--captioner FOLDER"):
        CAPTIONERS.load("blip-large")(name="blip-large", weights=card.weights, revision=card.revision)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"missing preprocessor_config.json or .*model.safetensors"):
        CAPTIONERS.load("blip-large")(name="x", weights=str(tmp_path))


def test_a_cached_model_is_found_by_its_commit(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--blip"
    shutil.copytree(saved["blip"], repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for revision in (None, commit):
        assert HubCaptioner(name="someone/blip", weights="someone/blip", revision=revision).revision == commit
    with pytest.raises(UserError, match="they are not in the local cache"):
        find_model("someone/blip", revision="f" * 40)
    (repository / "snapshots" / commit / "model.safetensors").unlink()
    with pytest.raises(UserError, match="they are only in part in the local cache"):
        find_model("someone/blip")


def test_models_that_cannot_be_used_are_refused_in_a_sentence(saved: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(saved["blip"], folder)
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UserError, match="cannot be loaded"):
        HubCaptioner(name="x", weights=str(folder)).load()
    (folder / "config.json").write_text('{"model_type": "llava"}')
    with pytest.raises(UserError, match="of type 'llava', which does not caption from pixels alone"):
        HubCaptioner(name="x", weights=str(folder))
    with pytest.raises(UserError, match="no device 'cuda:77'"):
        HubCaptioner(name="x", weights=str(saved["blip"]), device="cuda:77")
    with pytest.raises(UserError, match="fp16 needs a GPU"):
        HubCaptioner(name="x", weights=str(saved["blip"]), precision="fp16")


def test_weights_that_lack_a_part_are_refused(saved: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "copy"
    shutil.copytree(saved["blip"], folder)
    weights = load_file(folder / "model.safetensors")
    weights.pop("vision_model.encoder.layers.1.mlp.fc1.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 weights \(e.g. vision_model.encoder.layers.1.mlp.fc1.weight\)"):
        HubCaptioner(name="x", weights=str(folder)).load()
