"""The catalogue of sources: published sets of pairs or photos, and the embedded demo photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.catalogue import Catalogue
from models.vocabulary import DEGRADATIONS


@dataclass(frozen=True)
class SourceCard:
    """What a source declares about itself.

    Arguments:
        name: Name on the command line.
        target: "module:function"; the function takes the source's folder (or None for the embedded photos) and yields
            `benchmark.sources.samples.Sample`.
        title: Name in prose and tables.
        degradations: The types that it serves.
        counts: Published number of pairs, `{split: {degradation: n}}`.
        licence: Terms of use, in words.
        citation: Authors, title, venue, year.
        obtain: Page or paper that says where the files come from.
        layout: The folders and files that are expected, for help and errors.
        embedded: True when the images come inside the pinned packages and no folder is needed.
    """

    name: str
    target: str
    title: str
    degradations: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    licence: str = ""
    citation: str = ""
    obtain: str = ""
    layout: str = ""
    embedded: bool = False


SOURCES = Catalogue[SourceCard](
    "source",
    [
        SourceCard(
            name="demo",
            target="benchmark.sources.demo:read",
            title="Embedded demo photos",
            degradations=DEGRADATIONS,
            licence="per photo: public domain, CC0, CC BY 2.0, no known restrictions, or none stated (listed below)",
            citation="Photos distributed inside scikit-image, scikit-learn and matplotlib",
            embedded=True,
        ),
        SourceCard(
            name="lol",
            target="benchmark.sources.lol:read",
            title="LOL",
            degradations=("low-light",),
            counts={"train": {"low-light": 485}, "test": {"low-light": 15}},
            licence="research use; no licence stated by the authors",
            citation="Wei et al., Deep Retinex Decomposition for Low-Light Enhancement, BMVC 2018",
            obtain="https://daooshee.github.io/BMVC2018website/ (LOLdataset.zip: our485/, eval15/)",
            layout="our485/{low,high} and eval15/{low,high}; or {LQ,GT} or {low,high} alone for the test split",
        ),
        SourceCard(
            name="rain100h",
            target="benchmark.sources.rain100h:read",
            title="Rain100H",
            degradations=("rainy",),
            counts={"train": {"rainy": 1800}, "test": {"rainy": 100}},
            licence="research use; no licence stated by the authors",
            citation="Yang et al., Deep Joint Rain Detection and Removal from a Single Image, CVPR 2017",
            obtain="https://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html (Rain100H, RainTrainH)",
            layout="train and test folders with norain-*.png beside rain-*.png; or {LQ,GT} alone for the test split",
        ),
        SourceCard(
            name="universal",
            target="benchmark.sources.universal:read",
            title="The authors' layout",
            degradations=DEGRADATIONS,
            licence="that of the sets inside",
            citation="Luo et al., Controlling Vision-Language Models for Multi-Task Image Restoration, ICLR 2024",
            obtain="https://github.com/Algolzw/daclip-uir (README, dataset preparation)",
            layout="{train,val}/<type>/{LQ,GT}/* with optional daclip_{train,val}.csv beside train and val",
        ),
    ],
)
