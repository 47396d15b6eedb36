"""A metric, a captioner, a source, a degradation and a network, each added as CONTRIBUTING says, found in results."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.images.pixels import encode_png, read

ROOT = Path(__file__).parents[3]
FILES = {
    "benchmark/metrics/mae.py": '''"""Mean absolute error."""

import numpy as np


def mae(restored, clean, *, data_range=255.0):
    """Return the mean absolute difference of two images, as a part of their range."""
    return float(np.abs(restored.astype(np.float64) - clean.astype(np.float64)).mean() / data_range)
''',
    "captioning/captioners/brightness.py": '''"""Captions that say how bright an image is."""

from models.images.pixels import decode


class BrightnessCaptioner:
    """Looks at the pixels alone."""

    name = "brightness"
    revision = "1"
    settings = {}

    def caption(self, images):
        """Return one caption an image."""
        return [f"an image of brightness {decode(image.data).mean():.0f}" for image in images]
''',
    "benchmark/sources/squares.py": '''"""Squares: pairs in the folders {bad,good}."""

from benchmark.sources.cards import SourceCard
from benchmark.sources.folders import by_folder, images_in, named, pair_samples

CARD = SourceCard(
    name="squares",
    target="benchmark.sources.squares:read",
    title="Squares",
    degradations=("noisy",),
    counts={"test": {"noisy": 2}},
    layout="{bad,good}/*.png with equal names",
)


def read(tree):
    """Yield the pairs."""
    folders = by_folder(tree)
    bad, good = images_in(folders, "bad"), images_in(folders, "good")
    if bad or good:
        yield from pair_samples(named(bad), named(good), source="squares", split="test", degradation="noisy")
''',
    "benchmark/degradations/halve.py": '''"""Half the light."""

import numpy as np


def halve(image, generator):
    """Return the image at half its brightness."""
    return image * np.float32(0.5)
''',
    "models/networks/doubler/__init__.py": "",
    "models/networks/doubler/card.py": '''"""The card of Doubler."""

from models.networks.card import NetworkCard

CARDS = (
    NetworkCard(
        name="doubler",
        target="models.networks.doubler.network:Doubler",
        title="Doubler",
        paper="",
        year=0,
        url="",
        weights_licence="has no weights",
        summary="Twice the light.",
    ),
)
''',
    "models/networks/doubler/network.py": '''"""Twice the light."""

from torch import nn


class Doubler(nn.Module):
    """Doubles what it is given."""

    def forward(self, degraded):
        """Return images of twice the brightness."""
        return 2 * degraded
''',
}
LINES = {
    "benchmark/metrics/__init__.py": (
        '        MetricCard(\n            name="ssim",',
        '        MetricCard(name="mae", target="benchmark.metrics.mae:mae", label="MAE", decimals=4, '
        'higher_is_better=False, needs="pixels"),\n',
    ),
    "captioning/captioners/__init__.py": (
        '        CaptionerCard(\n            name="sidecar",',
        '        CaptionerCard("brightness", "captioning.captioners.brightness:BrightnessCaptioner", "Brightness", '
        'None, True, "MIT"),\n',
    ),
    "benchmark/sources/__init__.py": ("        universal.CARD,", "        squares.CARD,\n"),
    "benchmark/degradations/__init__.py": (
        '        DegradationCard(\n            name="haze",',
        '        DegradationCard("halve", "benchmark.degradations.halve:halve", "half the light", "I = J / 2", '
        'words=("halved",)),\n',
    ),
    "models/networks/__init__.py": ('    "jorder",\n', '    "doubler",\n'),
    "benchmark/metrics/protocols.py": (
        '        Protocol(\n            name="daclip-table2",',
        '        Protocol(name="mine", title="Mine", metrics=("psnr", "mae"), description="Both.", reference=""),\n',
    ),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with one of each added: a file (or folder) and a line."""
    root = tmp_path_factory.mktemp("plugs") / "tree"
    for package in ("benchmark", "captioning", "models"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "leaderboards" / "published", root / "leaderboards" / "published")
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    for name, (place, line) in LINES.items():
        text = (root / name).read_text()
        assert text.count(place) == 1, name
        (root / name).write_text(text.replace(place, line + place))
    sources = root / "benchmark/sources/__init__.py"
    sources.write_text(sources.read_text().replace("    srd,\n", "    squares,\n    srd,\n", 1))
    generator = np.random.default_rng(0)
    for folder in ("pairs/bad", "pairs/good", "photos"):
        (root / folder).mkdir(parents=True)
        for number in range(2):
            pixels = generator.integers(40, 120, (48, 56, 3)).astype(np.uint8)
            (root / folder / f"{number}.png").write_bytes(encode_png(pixels))
    return root


def bench(tree: Path, *arguments: str) -> str:
    """Run a command of the copy, and return what it printed."""
    code = (
        "import benchmark, sys\nfrom benchmark.cli import main\n"
        "assert benchmark.__file__.startswith(sys.argv.pop(1))\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tree), *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_each_is_found_in_a_result(tree: Path) -> None:
    bench(tree, "build-dataset", "--source", "squares=pairs", "--out", "squares")
    bench(tree, "caption", "squares", "--captioner", "brightness")
    texts = pq.read_table(tree / "squares/captions/test.parquet")["text"].to_pylist()
    assert [bool(re.fullmatch(r"an image of brightness \d+: noisy", text)) for text in texts] == [True, True]
    bench(tree, "build-dataset", "--source", "custom=photos", "--degradation", "halved", "--spec", "halve()", "--split",
          "test", "--out", "halved")  # fmt: skip
    bench(tree, "caption", "halved", "--captioner", "brightness")
    assert all(
        text.endswith(": halved") for text in pq.read_table(tree / "halved/captions/test.parquet")["text"].to_pylist()
    )
    table = bench(tree, "eval", "--data", "halved", "--network", "doubler", "--network", "input", "--protocol", "mine")
    assert "MAE" in table
    found = {
        name: json.loads((tree / f"leaderboards/results/custom/{name}.mine.json").read_text())
        for name in ("doubler", "input")
    }
    assert set(found["doubler"]["metrics"]) == {"psnr", "mae"}
    # Half of an odd value is rounded: the doubled one is off by one level at most.
    assert found["doubler"]["metrics"]["mae"]["value"] < 1 / 255
    assert 0.1 < found["input"]["metrics"]["mae"]["value"] < 0.2
    bench(tree, "restore", "photos", "restored", "--network", "doubler")
    twice = np.minimum(255, 2 * read(tree / "photos/0.png").astype(int))
    assert np.abs(read(tree / "restored/0.png").astype(int) - twice).max() <= 1
    assert "squares" in bench(tree, "list", "sources")
    assert "doubler" in bench(tree, "list", "networks")
