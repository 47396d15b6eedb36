"""Flickr2K: 2,650 photos of high resolution; compressed and made noisy here."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources.cards import SourceCard, SourceFile
from benchmark.sources.div2k import SPECS
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import named, numbered, synthetic_samples
from benchmark.sources.samples import Rejected, Sample

CARD = SourceCard(
    name="flickr2k",
    target="benchmark.sources.flickr2k:read",
    title="Flickr2K",
    degradations=("jpeg-compressed", "noisy"),
    counts={"train": {"jpeg-compressed": 2650, "noisy": 2650}},
    licence="research use; the photos belong to their owners on Flickr",
    citation="Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPRW 2017",
    bibtex="""@inproceedings{lim2017enhanced,
  author = {Lim, Bee and Son, Sanghyun and Kim, Heewon and Nah, Seungjun and Lee, Kyoung Mu},
  title = {Enhanced Deep Residual Networks for Single Image Super-Resolution},
  booktitle = {CVPR Workshops},
  year = {2017}
}""",
    obtain="https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar",
    layout="Flickr2K_HR/000001.png to 002650.png (Flickr2K_LR_* is not used)",
    files=(
        SourceFile("Flickr2K.tar", page="https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar"),
        SourceFile("Flickr2K.zip", note="a mirror with the large images only", unpacked=("Flickr2K_HR",)),
    ),
    options=("seed",),
)


def read(tree: Tree, *, seed: int = 0) -> Iterator[Sample | Rejected]:
    """Yield two samples a photo, all for training.

    Arguments:
        tree: Holds `000001.png` to `002650.png` in any folders; the small `*_LR_*` versions are left alone.
        seed: Seed of the noise.

    Raises:
        UserError: No such photos.

    References:
        Enhanced Deep Residual Networks for Single Image Super-Resolution (Lim et al., CVPRW 2017)
        https://arxiv.org/abs/1707.02921
    """
    photos = numbered(tree, digits=6)
    if not photos:
        return
    yield from synthetic_samples(named(photos), source="flickr2k", split="train", specs=SPECS, seed=seed)
