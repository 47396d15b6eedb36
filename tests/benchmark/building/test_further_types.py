"""A type beyond the ten goes through the whole chain: build, caption, train, classify, tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmark.cli import main
from benchmark.dataset.folder import Dataset
from benchmark.sources.demo import tiles

TINY = ["clip.embed_dim=32", "clip.vision_cfg.width=32", "clip.vision_cfg.layers=1", "clip.text_cfg.width=32"]


def run(*arguments: object) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert not stop.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a captioned dataset of foggy, wild and mixed pairs."""
    root = tmp_path_factory.mktemp("further")
    for split in ("train", "test"):
        (root / split).mkdir()
        for number, tile in enumerate(tiles(split, 4)):
            Image.fromarray(tile.pixels()).save(root / split / f"{number}.png")
            (root / split / f"{number}.txt").write_text(f"picture {number}: a tile")
    (root / "recipe.yaml").write_text(
        """sources:
  - {name: custom, path: train, degradation: foggy, spec: "haze(beta=2)"}
  - {name: custom, path: test, degradation: foggy, spec: "haze(beta=2)", split: test}
  - {name: custom, path: train, spec: "wild()"}
  - {name: custom, path: test, spec: "rain() | jpeg(quality=20)", split: test}
"""
    )
    run("build-dataset", "--recipe", root / "recipe.yaml", "--out", root / "dataset", "--workers", 0)
    run("caption", root / "dataset", "--captioner", "sidecar")
    return root


def test_rows_and_texts_say_what_was_done(folder: Path) -> None:
    data = Dataset(folder / "dataset")
    assert data.manifest["splits"]["train"]["counts"] == {"foggy": 4, "wild": 4}
    assert data.degradations("test") == ["foggy", "mixed"]
    for row, caption in zip(data.index("test"), data.captions("test"), strict=True):
        words = {"foggy": ["foggy"], "mixed": ["rainy", "jpeg-compressed"]}[row["degradation"]]
        assert row["degradations"] == words
        assert caption["text"] == f"{caption['caption']}: {', '.join(words)}"
    for row in data.index("train"):
        if row["degradation"] == "wild":
            assert row["spec"].endswith("quantize()")
            assert set(row["degradations"]) <= {"blur", "ringing artifact", "noise", "jpeg block"}


def test_the_audit_makes_every_image_again(folder: Path) -> None:
    run("verify", folder / "dataset", "--workers", 0, "--report", folder / "report")


def test_training_and_classification_know_the_new_words(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [f"--set=arch.{setting}" for setting in TINY]
    run(
        *("train", "daclip", "--data", folder / "dataset", "--out", tmp_path / "runs" / "daclip", "--preset", "demo"),
        *("--max-steps", 2, "--set=batch_size=4", *small),
    )
    capsys.readouterr()
    places = ("--data", folder / "dataset", "--runs", tmp_path / "runs", "--leaderboards", tmp_path / "boards")
    run("eval", "--table", "classification", *places)
    run("leaderboard", "--leaderboards", tmp_path / "boards")
    page = (tmp_path / "boards" / "table-classification.md").read_text()
    assert "chance is 8.3" in page  # one of twelve
    assert "Foggy" in page
    assert "Mixed" in page
