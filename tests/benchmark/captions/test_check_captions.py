"""`bench check-captions` on a whole dataset: the report, its exit status, and a CLIP through its real door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmark.cli import main
from captioning.quality.findings import KINDS
from captioning.titles import render_titles

CAPTIONS = {"1": "a cat on a chair", "2": "bald bald bald", "3": "a house in the snow", "4": "a man with a red hat"}


def run(*arguments: str) -> int:
    """Run the command line and return its exit status."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four images, two of them with something to be found."""
    root = tmp_path_factory.mktemp("check")
    generator = np.random.default_rng(6)
    for name in CAPTIONS:
        for role in ("LQ", "GT"):
            path = root / "raw" / "train" / "snowy" / role / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (40, 36, 3)).astype(np.uint8)).save(path)
    titles = [(f"train/snowy/LQ/{name}.png", caption, "snowy") for name, caption in CAPTIONS.items()]
    (root / "raw" / "daclip_train.csv").write_bytes(render_titles(titles))
    source = f"universal={root / 'raw'}"
    assert run("build-dataset", "--source", source, "--out", str(root / "data"), "--workers", "0") == 0
    return root / "data"


def test_what_is_found_is_counted_and_decides_the_exit_status(data: Path, capsys: pytest.CaptureFixture) -> None:
    assert run("check-captions", str(data)) == 2
    assert "has no captions: run bench caption" in capsys.readouterr().err
    assert run("caption", str(data), "--captioner", "sidecar") == 0
    assert run("check-captions", str(data)) == 0
    out = capsys.readouterr().out
    assert "repetition: 1 of 4 captions" in out
    assert "scene-word: 1 of 4 captions" in out
    assert run("check-captions", str(data), "--strict") == 1
    assert "found and not allowed: repetition, scene-word" in capsys.readouterr().err
    assert run("check-captions", str(data), "--strict", "--allow", "repetition", "--allow", "scene-word") == 0
    findings = pq.read_table(data / "captions" / "report" / "findings.parquet").to_pylist()
    assert [(f["kind"], f["caption"]) for f in findings] == [
        ("repetition", "bald bald bald"),
        ("scene-word", "a house in the snow"),
    ]
    assert {f["kind"] for f in findings} <= set(KINDS)
    captions = pq.read_table(data / "captions" / "train.parquet").num_rows
    assert captions == 4  # the report lies beside the captions and leaves them alone


def test_a_clip_of_open_clip_lists_the_pairs_that_agree_least(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    import open_clip
    import torch
    from safetensors.torch import save_file

    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    (tmp_path / "tiny-to-check.json").write_text(json.dumps(config), encoding="utf-8")
    open_clip.add_model_config(tmp_path)
    torch.manual_seed(1)
    state = open_clip.create_model("tiny-to-check").state_dict()
    weights = tmp_path / "tiny.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, weights)
    assert run("caption", str(data), "--captioner", "sidecar") == 0
    assert run("check-captions", str(data), "--clip", f"tiny-to-check:{weights}", "--lowest", "2") == 0
    rows = pq.read_table(data / "captions" / "report" / "captions.parquet").to_pylist()
    cosines = {row["caption"]: row["cosine"] for row in rows}
    assert set(cosines) == set(CAPTIONS.values())
    assert all(-1 <= cosine <= 1 for cosine in cosines.values())
    report = (data / "captions" / "report" / "report.md").read_text(encoding="utf-8")
    worst = sorted(cosines.items(), key=lambda pair: pair[1])
    listed = report.partition("The 2 pairs that agree least:")[2]
    assert [f"{caption} | {cosine:.4f}" in listed for caption, cosine in worst] == [True, True, False, False]
    assert run("check-captions", str(data), "--clip", f"tiny-to-check:{tmp_path / 'none.pt'}") == 2
    assert "is neither a file nor a tag of tiny-to-check" in capsys.readouterr().err
