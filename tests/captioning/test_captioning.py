"""Captions: joining and splitting, sidecar and BLIP captioners, resuming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.captioners import CAPTIONERS
from captioning.captioners.contract import CleanImage
from captioning.captioners.sidecar import SidecarCaptioner
from captioning.run import Shard, caption_split
from captioning.text import join_text, split_text
from models.errors import UserError
from models.files import sha256_bytes
from models.images import encode_png
from models.vocabulary import DEGRADATIONS


@given(st.text(), st.sampled_from(DEGRADATIONS))
def test_text_round_trips_even_with_colons_in_the_caption(caption: str, degradation: str) -> None:
    assert split_text(join_text(caption, degradation)) == (caption, degradation)


def pictures(count: int) -> list[bytes]:
    generator = np.random.default_rng(3)
    return [encode_png(generator.integers(0, 256, (20, 24, 3)).astype(np.uint8)) for _ in range(count)]


def shards_of(data: Sequence[bytes], per_shard: int) -> list[Shard]:
    """Return shards in which every picture occurs under two degradations."""
    rows = [
        {"key": f"{word}/{i}", "degradation": word, "clean_sha256": sha256_bytes(picture), "data": picture}
        for word in ("noisy", "rainy")
        for i, picture in enumerate(data)
    ]

    def part(start: int) -> Any:
        def read(pixels: bool) -> Iterator[dict[str, Any]]:
            for row in rows[start : start + per_shard]:
                yield {**row, "data": row["data"] if pixels else None}

        return read

    return [Shard(f"part-{s}", part(s)) for s in range(0, len(rows), per_shard)]


class Counting(SidecarCaptioner):
    """A sidecar captioner that counts the images it sees and can fail."""

    def __init__(self, captions: dict[str, str], fail_after: int | None = None) -> None:
        super().__init__(captions)
        self.seen = 0
        self.fail_after = fail_after

    def caption(self, images: Sequence[CleanImage]) -> list[str]:
        self.seen += len(images)
        if self.fail_after is not None and self.seen > self.fail_after:
            raise KeyboardInterrupt
        return super().caption(images)


def test_each_unique_image_is_captioned_once_and_resuming_repeats_nothing(tmp_path: Path) -> None:
    data = pictures(6)
    known = {sha256_bytes(picture): f"picture {i}" for i, picture in enumerate(data)}
    whole, resumed = tmp_path / "whole.parquet", tmp_path / "resumed.parquet"
    first = Counting(known)
    assert caption_split(shards_of(data, 4), first, whole, digest="d", batch_size=2) == 6
    assert first.seen == 6
    broken = Counting(known, fail_after=4)
    with pytest.raises(KeyboardInterrupt):
        caption_split(shards_of(data, 4), broken, resumed, digest="d", batch_size=2)
    assert not resumed.exists()
    again = Counting(known)
    caption_split(shards_of(data, 4), again, resumed, digest="d", batch_size=2)
    assert again.seen == 2
    assert resumed.read_bytes() == whole.read_bytes()
    rows = pq.read_table(whole).to_pylist()
    assert len(rows) == 12
    assert rows[7]["text"] == "picture 1: rainy"
    idle = Counting(known)
    caption_split(shards_of(data, 4), idle, whole, digest="d")
    assert idle.seen == 0


def test_captions_by_another_captioner_are_not_overwritten_silently(tmp_path: Path) -> None:
    data = pictures(2)
    out = tmp_path / "train.parquet"
    for number, text in enumerate(("one", "two")):
        captioner = SidecarCaptioner({sha256_bytes(p): text for p in data})
        if number:
            with pytest.raises(UserError, match="--replace"):
                caption_split(shards_of(data, 4), captioner, out, digest="d")
        caption_split(shards_of(data, 4), captioner, out, digest="d", replace=bool(number))
    assert pq.read_table(out)["caption"].to_pylist() == ["two"] * 4


def test_a_missing_sidecar_caption_names_the_pair() -> None:
    with pytest.raises(UserError, match="no caption came with noisy/0"):
        SidecarCaptioner({}).caption([CleanImage("0" * 64, "noisy/0", None)])


@pytest.fixture(scope="module")
def tiny_blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a BLIP of the real classes with few, random weights, and a real tokenizer with few words."""
    import torch
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
        BlipTextConfig,
        BlipVisionConfig,
    )

    folder = tmp_path_factory.mktemp("blip")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "on", "the", "table", "red", "car", "and", "##s"]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(words), encoding="utf-8")
    tokenizer = BertTokenizer(str(vocabulary))
    torch.manual_seed(5)
    size: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    config = BlipConfig(
        text_config=BlipTextConfig(
            vocab_size=len(words),
            encoder_hidden_size=32,
            bos_token_id=2,
            eos_token_id=3,
            sep_token_id=3,
            pad_token_id=0,
            max_position_embeddings=64,
            **size,
        ).to_dict(),
        vision_config=BlipVisionConfig(image_size=32, patch_size=16, **size).to_dict(),
    )
    model = BlipForConditionalGeneration(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def test_blip_captions_equal_the_plain_transformers_loop(tiny_blip: Path) -> None:
    import io

    import torch
    from PIL import Image
    from transformers import BlipForConditionalGeneration, BlipProcessor

    data = pictures(5)
    captioner = CAPTIONERS.load("blip-large")(name="tiny", weights=str(tiny_blip))
    images = [CleanImage(sha256_bytes(p), str(i), p) for i, p in enumerate(data)]
    ours = captioner.caption(images)
    processor: Any = BlipProcessor.from_pretrained(tiny_blip)
    model: Any = BlipForConditionalGeneration.from_pretrained(tiny_blip)
    plain = []
    for picture in data:
        inputs = processor(images=Image.open(io.BytesIO(picture)).convert("RGB"), return_tensors="pt")
        with torch.no_grad():
            tokens = model.generate(**inputs, max_new_tokens=32, num_beams=1, do_sample=False)
        plain.append(processor.decode(tokens[0], skip_special_tokens=True).strip())
    assert ours == plain
    assert any(ours)
    assert captioner.revision.startswith("sha256:")


def test_missing_weights_say_which_files_and_where(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"hf download Salesforce/blip-image-captioning-large .*--captioner FOLDER"):
        CAPTIONERS.load("blip-large")(name="blip-large", weights="Salesforce/blip-image-captioning-large")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"missing preprocessor_config.json or .*model.safetensors"):
        CAPTIONERS.load("blip-large")(name="x", weights=str(tmp_path))
