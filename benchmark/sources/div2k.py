"""DIV2K: 900 photos of high resolution; compressed and made noisy here."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.sources.cards import SourceCard, SourceFile
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import named, numbered, synthetic_samples
from benchmark.sources.samples import Rejected, Sample

CARD = SourceCard(
    name="div2k",
    target="benchmark.sources.div2k:read",
    title="DIV2K",
    degradations=("jpeg-compressed", "noisy"),
    counts={"train": {"jpeg-compressed": 900, "noisy": 900}},
    licence="academic research only; the photos belong to their owners",
    citation="Agustsson and Timofte, NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study, "
    "CVPRW 2017",
    bibtex="""@inproceedings{agustsson2017ntire,
  author = {Agustsson, Eirikur and Timofte, Radu},
  title = {{NTIRE} 2017 Challenge on Single Image Super-Resolution: Dataset and Study},
  booktitle = {CVPR Workshops},
  year = {2017}
}""",
    obtain="https://data.vision.ee.ethz.ch/cvl/DIV2K/ (DIV2K_train_HR.zip and DIV2K_valid_HR.zip)",
    layout="DIV2K_train_HR/0001.png to 0800.png and DIV2K_valid_HR/0801.png to 0900.png",
    files=(
        SourceFile(
            "DIV2K_train_HR.zip",
            size=3_530_603_713,
            sha256="9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
            page="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
            note="800 photos",
        ),
        SourceFile(
            "DIV2K_valid_HR.zip",
            size=448_993_893,
            sha256="20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
            page="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
            note="100 photos, for training here",
        ),
        SourceFile("DIV2K.tar", page="https://cv.snu.ac.kr/research/EDSR/DIV2K.tar", note="in place of the two"),
    ),
    options=("seed",),
)

SPECS = {word: DEFAULT_SPECS[word] for word in ("jpeg-compressed", "noisy")}


def read(tree: Tree, *, seed: int = 0) -> Iterator[Sample | Rejected]:
    """Yield two samples a photo, all for training: the paper trains on the 800 training and the 100 validation photos.

    Arguments:
        tree: Holds `0001.png` to `0900.png` in any folders; the small `*_LR_*` versions are left alone.
        seed: Seed of the noise.

    Raises:
        UserError: No such photos.

    References:
        NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study (Agustsson and Timofte, CVPRW 2017)
        https://data.vision.ee.ethz.ch/cvl/DIV2K/
    """
    photos = numbered(tree, digits=4)
    if not photos:
        return
    yield from synthetic_samples(named(photos), source="div2k", split="train", specs=SPECS, seed=seed)
