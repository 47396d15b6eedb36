"""Agreement of captions and images by a CLIP that open_clip loads by its real door."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioning.quality.agreement import ClipScorer, Part, agreement
from models.errors import UserError
from models.files import sha256_bytes
from models.images.pixels import encode_png

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CLIP with few, random weights that open_clip loads by name and file, as it loads any other."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-for-tests.json").write_text(json.dumps(TINY), encoding="utf-8")
    open_clip.add_model_config(folder)
    torch.manual_seed(3)
    model = open_clip.create_model("tiny-for-tests")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "tiny.safetensors")
    return f"tiny-for-tests:{folder / 'tiny.safetensors'}"


def photos(count: int) -> dict[str, bytes]:
    generator = np.random.default_rng(2)
    images = [encode_png(generator.integers(0, 256, (40, 30, 3)).astype(np.uint8)) for _ in range(count)]
    return {sha256_bytes(data): data for data in images}


def test_agreement_is_the_cosine_of_open_clips_own_features(tiny_clip: str, tmp_path: Path) -> None:
    import open_clip
    import torch
    from PIL import Image

    data = photos(5)
    captions = dict(zip(data, ("a cat", "a dog", "a house", "the sea", "a tree"), strict=True))
    broken = {"broken": b"no image"}
    items = [*data.items(), *broken.items()]
    parts = [Part("a", lambda: iter(items[:3])), Part("b", lambda: iter([*items[2:], items[0]]))]
    scores = agreement(parts, {**captions, "broken": "x"}, ClipScorer(tiny_clip), work=tmp_path / "w", batch_size=2)
    arch, _, file = tiny_clip.partition(":")
    loaded: Any = open_clip.create_model_from_pretrained(arch, file)
    model, transform = loaded
    with torch.no_grad():
        for digest, image in data.items():
            (tmp_path / "one.png").write_bytes(image)
            seen = model.encode_image(transform(Image.open(tmp_path / "one.png"))[None])
            told = model.encode_text(open_clip.tokenize([captions[digest]]))
            assert scores.pop(digest) == pytest.approx(torch.cosine_similarity(seen, told).item(), abs=1e-5)
    assert scores == {}


def test_agreement_continues_where_it_was_stopped(tiny_clip: str, tmp_path: Path) -> None:
    data = list(photos(6).items())
    captions = {digest: f"number {n}" for n, (digest, _) in enumerate(data)}

    class Counting(ClipScorer):
        seen = 0
        most = 100

        def score(self, images, captions):
            if self.seen + len(images) > self.most:
                raise KeyboardInterrupt
            self.seen += len(images)
            return super().score(images, captions)

    parts = [Part("a", lambda: iter(data[:3])), Part("b", lambda: iter(data[3:]))]
    whole = agreement(parts, captions, Counting(tiny_clip), work=tmp_path / "whole")
    first, second = Counting(tiny_clip), Counting(tiny_clip)
    first.most = 3
    with pytest.raises(KeyboardInterrupt):
        agreement(parts, captions, first, work=tmp_path / "cut")
    assert agreement(parts, captions, second, work=tmp_path / "cut") == whole
    assert (first.seen, second.seen) == (3, 3)
    file = tmp_path / "cut/a.json"
    file.write_text(re.sub(r"0\.\d", "0.7", file.read_text(), count=1))
    mended = Counting(tiny_clip)
    assert agreement(parts, captions, mended, work=tmp_path / "cut") == whole
    assert mended.seen == 3
    changed = Counting(tiny_clip)
    agreement(parts, {**captions, data[0][0]: "something else"}, changed, work=tmp_path / "cut")
    assert changed.seen == 6


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("ViT-B-33:openai", "did you mean 'ViT-B-32'"),
        ("ViT-B-32", "expected ViT-B-32:PRETRAINED, a weights file or one of: openai"),
        ("ViT-B-32:nothing", "'nothing' is neither a file nor a tag of ViT-B-32"),
        ("local-dir:/nowhere", "cannot be loaded"),
    ],
)
def test_a_wrong_clip_is_refused_in_a_sentence(model: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ClipScorer(model)
