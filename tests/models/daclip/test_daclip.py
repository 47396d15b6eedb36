"""DA-CLIP: structure, control, loss, classification, text and preprocessing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms as T
from PIL import Image
from small_models import CLIP

from models.daclip.build import build_daclip, load_daclip
from models.daclip.classify import classify, embed_words
from models.daclip.config import infer, resolve
from models.daclip.controller import DaClip
from models.daclip.loss import (
    MAX_LOGIT_SCALE,
    clamp_logit_scale,
    contrastive_loss,
    daclip_loss,
    degradation_loss_floor,
)
from models.daclip.preprocess import MEAN, STD, preprocess, preprocess_batch, preprocess_images, to_8bit
from models.daclip.tokenise import tokenise, tokenise_pairs
from models.errors import UserError

WORDS = ("motion-blurry", "hazy", "noisy")


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def test_a_new_controller_leaves_the_content_embedding_at_clips_own() -> None:
    daclip = build_daclip(clip=CLIP, pretrained=None).eval()
    plain = daclip.clip.encode_image(images())
    content, degradation = daclip.embed(images())
    for embedding in (daclip.encode_image(images()), content, degradation):
        torch.testing.assert_close(embedding, plain)
    assert all(p.abs().max() == 0 for p in daclip.visual_control.transformer.zero_modules.parameters())


@torch.no_grad()
@pytest.mark.parametrize("options", [{"pool_type": "avg"}, {"final_ln_after_pool": True}, {"no_ln_pre": True}])
def test_other_open_clip_towers_embed_as_open_clip_does(options: dict[str, object]) -> None:
    vision = {**CLIP["vision_cfg"], **options, "pool_type": options.get("pool_type", "tok")}
    daclip = build_daclip(clip={**CLIP, "vision_cfg": vision}, pretrained=None).eval()
    torch.testing.assert_close(daclip.encode_image(images()), daclip.clip.encode_image(images()))


@torch.no_grad()
def test_control_enters_the_frozen_encoder_in_reverse_order(daclip: DaClip) -> None:
    for parameter in daclip.visual_control.transformer.zero_modules.parameters():
        parameter.zero_()
    plain = daclip.encode_image(images())
    seen = []
    for block in daclip.visual.transformer.resblocks:
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    # Only the copy's last block speaks: it must be heard already after the frozen encoder's first block.
    voice = torch.randn(64)
    daclip.visual_control.transformer.zero_modules[-1].bias.copy_(voice)
    content, _ = daclip.embed(images())
    late = seen[1]
    seen.clear()
    daclip.encode_image(images())
    torch.testing.assert_close(late, seen[1] + voice)
    assert not torch.allclose(content, plain)


def test_gradients_reach_all_of_the_controller_and_nothing_else(daclip: DaClip) -> None:
    daclip.train()
    text = tokenise_pairs(["a cat", "a dog on grass"], ["noisy", "hazy"])
    daclip_loss(daclip(images(), text)).total.backward()
    for name, parameter in daclip.named_parameters():
        frozen = name.startswith("clip.")
        assert parameter.requires_grad != frozen, name
        assert (parameter.grad is None) == frozen, name
        assert frozen or (parameter.grad is not None and parameter.grad.abs().max() > 0), name
    assert not daclip.clip.training
    assert daclip.visual_control.training


def test_the_frozen_tower_has_its_published_second_name(daclip: DaClip) -> None:
    state = daclip.state_dict()
    tower = [key for key in state if key.startswith("clip.visual.")]
    assert all(state[key].data_ptr() == state[key.removeprefix("clip.")].data_ptr() for key in tower)
    vision: Any = infer(state)["vision_cfg"]
    assert vision["layers"] == 2


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-H-14"])
def test_the_configuration_of_a_checkpoint_is_read_off_its_shapes(name: str) -> None:
    with torch.device("meta"):
        daclip = DaClip(open_clip.CLIP(**resolve(name)))
    expected = resolve(name)
    expected["vision_cfg"].setdefault("head_width", 64)
    assert infer(daclip.state_dict()) == expected


def test_heads_that_cannot_be_told_are_refused() -> None:
    narrow = {**CLIP, "vision_cfg": {**CLIP["vision_cfg"], "width": 96}}
    with torch.device("meta"):
        daclip = DaClip(open_clip.CLIP(**resolve(narrow)))
    with pytest.raises(UserError, match="how many heads their towers of width 96 and 64"):
        infer(daclip.state_dict())


def test_the_loss_is_the_symmetric_cross_entropy() -> None:
    image, text = (F.normalize(torch.randn(5, 8, dtype=torch.float64), dim=1) for _ in range(2))
    logits = 7.0 * image.numpy() @ text.numpy().T
    rows = np.log(np.exp(logits).sum(1)) - np.diag(logits)
    columns = np.log(np.exp(logits).sum(0)) - np.diag(logits)
    loss = contrastive_loss(image, text, torch.tensor(7.0, dtype=torch.float64))
    assert loss.item() == pytest.approx((rows.mean() + columns.mean()) / 2, abs=1e-12)


def test_the_degradation_loss_has_a_floor_that_a_perfect_model_reaches() -> None:
    assert degradation_loss_floor(torch.zeros(784, dtype=torch.long)) == pytest.approx(6.6644, abs=5e-5)
    assert degradation_loss_floor(torch.arange(10)) == 0
    uneven = torch.tensor([0, 0, 0, 1, 1, 2])
    assert degradation_loss_floor(uneven) == pytest.approx((3 * math.log(3) + 2 * math.log(2)) / 6)
    perfect = F.one_hot(uneven, 3).double()
    loss = contrastive_loss(perfect, perfect, torch.tensor(100.0, dtype=torch.float64))
    assert loss.item() == pytest.approx(degradation_loss_floor(uneven), abs=1e-9)


def test_the_logit_scale_is_kept_between_one_and_a_hundred(daclip: DaClip) -> None:
    for value, expected in ((-1.0, 0.0), (3.0, 3.0), (9.0, MAX_LOGIT_SCALE)):
        daclip.logit_scale.data.fill_(value)
        clamp_logit_scale(daclip)
        assert daclip.logit_scale.item() == pytest.approx(expected)


@torch.no_grad()
def test_classification_takes_the_closest_word(daclip: DaClip) -> None:
    words = embed_words(daclip, WORDS)
    degradation = daclip.embed(images(6))[1]
    plain = daclip.clip.encode_image(images(6))
    for embedding, options in ((degradation, {}), (plain, {"plain": True})):
        expected = (F.normalize(embedding, dim=1) @ words.T).argmax(1)
        assert torch.equal(classify(daclip, images(6), WORDS, **options), expected)
        assert torch.equal(classify(daclip, images(6), words, **options), expected)


def test_a_pair_of_texts_is_the_caption_then_the_degradation() -> None:
    rows = tokenise_pairs(["a cat", "a dog", "a cat"], ["noisy", "hazy", "noisy"])
    assert rows.shape == (3, 154)
    assert torch.equal(rows[:, :77], tokenise(["a cat", "a dog", "a cat"]))
    assert torch.equal(rows[:, 77:], tokenise(["noisy", "hazy", "noisy"]))
    assert rows[0, :4].tolist() == [49406, 320, 2368, 49407]


@pytest.mark.parametrize("shape", [(224, 224), (300, 511), (97, 64), (225, 224), (1, 1), (5, 400)])
def test_preprocessing_equals_torchvisions_on_pillow_images(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    published = T.Compose(
        [T.Resize(64, T.InterpolationMode.BICUBIC), T.CenterCrop(64), T.ToTensor(), T.Normalize(MEAN, STD)]
    )
    expected = published(Image.fromarray(pixels))
    torch.testing.assert_close(preprocess(pixels, size=64), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(150, 97), (40, 90), (65, 64)])
def test_preprocessing_of_batches_is_within_one_level_of_the_published_one(shape: tuple[int, int]) -> None:
    noise = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    for batch in (noise, noise.round(), F.avg_pool2d(noise, 9, stride=1, padding=4)):
        difference = preprocess_batch(batch, size=64) - preprocess_images(batch, size=64)
        levels = (difference * torch.tensor(STD)[:, None, None] * 255).abs()
        assert levels.max() < 1.01
        assert levels.mean() < 0.02
    square = torch.rand(2, 3, 64, 80)
    assert torch.equal(preprocess_batch(square, size=64), preprocess_images(square, size=64))


def test_truncation_to_8_bits_is_exact_for_8_bit_images() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_8bit(values.float() / 255), values)


@pytest.mark.parametrize(
    ("clip", "pretrained", "message"),
    [
        ("ViT-B-23", None, "did you mean 'ViT-B-32'"),
        ("ViT-B-32", "laion2b_s34b_b97k", "did you mean 'laion2b_s34b_b79k'"),
        ("RN50", None, "plain transformers"),
        ({"embed_dim": 8, "vision_cfg": {}}, None, "lacks text_cfg"),
        ({"embed_dim": 8, "vision_cfg": {"widht": 8}, "text_cfg": {}}, None, "did you mean 'width'"),
        ({**CLIP, "embed_dmi": 3}, None, "did you mean 'embed_dim'"),
    ],
)
def test_a_wrong_clip_is_refused_in_one_sentence(clip: Any, pretrained: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_daclip(clip=clip, pretrained=pretrained)


def test_weights_that_cannot_be_fetched_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(entry: dict[str, str]) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(open_clip, "download_pretrained", offline)
    with pytest.raises(UserError, match="laion/CLIP-ViT-B-32-laion2B-s34B-b79K"):
        build_daclip(clip="ViT-B-32", pretrained="laion2b_s34b_b79k")


def test_clip_weights_come_from_a_file_into_both_towers(tmp_path: Path) -> None:
    source: Any = open_clip.CLIP(**resolve(CLIP))
    torch.save({"state_dict": source.state_dict()}, tmp_path / "clip.pt")
    daclip = build_daclip(clip=CLIP, pretrained=str(tmp_path / "clip.pt"))
    assert torch.equal(daclip.clip.visual.proj, source.visual.proj)
    assert torch.equal(daclip.visual_control.proj, source.visual.proj)
    torch.save({"state_dict": {"module." + k: v for k, v in daclip.state_dict().items()}}, tmp_path / "daclip.pt")
    with pytest.raises(UserError, match="do not fit CLIP"):
        build_daclip(clip=CLIP, pretrained=str(tmp_path / "daclip.pt"))


def test_a_training_checkpoint_of_the_authors_form_loads_by_its_shapes(tmp_path: Path) -> None:
    wide = {**CLIP, "vision_cfg": {**CLIP["vision_cfg"], "head_width": 64}}
    wide["text_cfg"] = {**wide["text_cfg"], "heads": 1}
    daclip = build_daclip(clip=wide, pretrained=None).eval()
    checkpoint = {
        "epoch": 3,
        "name": "run",
        "state_dict": {f"module.{key}": value for key, value in daclip.state_dict().items()},
        "optimizer": {"lr": np.float64(3e-5), "steps": np.int64(7)},
        "scaler": {"scale": 65536.0},
    }
    torch.save(checkpoint, tmp_path / "daclip.pt")
    loaded = load_daclip(tmp_path / "daclip.pt")
    with torch.no_grad():
        for ours, theirs in zip(loaded.embed(images()), daclip.embed(images()), strict=True):
            assert torch.equal(ours, theirs)
