"""RESIDE-6k: indoor and outdoor photos with synthetic haze, 6,000 for training and 1,000 for testing."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources.cards import NO_LICENCE, SourceCard, SourceFile
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import by_folder, images_in, named, pair_samples
from benchmark.sources.pairing import SAME, VERSIONS
from benchmark.sources.samples import Rejected, Sample
from models.vocabulary import SPLITS

CARD = SourceCard(
    name="reside6k",
    target="benchmark.sources.reside6k:read",
    title="RESIDE-6k",
    degradations=("hazy",),
    counts={"train": {"hazy": 6000}, "test": {"hazy": 1000}},
    licence=NO_LICENCE,
    citation="Li et al., Benchmarking Single-Image Dehazing and Beyond, IEEE TIP 2019; the selection is that of "
    "Song et al., Vision Transformers for Single Image Dehazing, IEEE TIP 2023",
    bibtex="""@article{li2019benchmarking,
  author = {Li, Boyi and Ren, Wenqi and Fu, Dengpan and Tao, Dacheng and Feng, Dan and Zeng, Wenjun and
            Wang, Zhangyang},
  title = {Benchmarking Single-Image Dehazing and Beyond},
  journal = {IEEE Transactions on Image Processing},
  volume = {28},
  number = {1},
  pages = {492--505},
  year = {2019}
}""",
    obtain="https://github.com/IDKiro/DehazeFormer (RESIDE-6K)",
    layout="{train,test}/{hazy,GT}/* with equal names",
    files=(
        SourceFile(
            "RESIDE-6K*",
            page="https://github.com/IDKiro/DehazeFormer",
            note="both splits; a shared folder, so its archive may come in parts",
        ),
    ),
)


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of RESIDE-6k.

    Arguments:
        tree: Holds `{train,test}/{hazy,GT}` with equal names. Other selections of RESIDE call the clean folder `clear`
            and name hazy images `<clean>_<airlight>_<scattering>`; both are understood.

    Raises:
        UserError: No image has a partner.

    References:
        Benchmarking Single-Image Dehazing and Beyond (Li et al., 2019) https://arxiv.org/abs/1712.04143
        Vision Transformers for Single Image Dehazing (Song et al., 2023) https://arxiv.org/abs/2204.03883
    """
    folders = by_folder(tree)
    for split in SPLITS:
        hazy = images_in(folders, f"{split}/hazy")
        clear = images_in(folders, f"{split}/gt", f"{split}/clear", f"{split}/clean")
        if hazy or clear:
            yield from pair_samples(
                named(hazy),
                named(clear),
                source="reside6k",
                split=split,
                degradation="hazy",
                rules=(SAME, VERSIONS),
            )
