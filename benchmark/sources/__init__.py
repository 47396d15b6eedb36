"""The catalogue of sources: published sets of pairs or photos, one's own folders, and the embedded demo photos."""

from __future__ import annotations

from benchmark.sources.cards import SourceCard, SourceFile
from benchmark.sources.published import PUBLISHED
from models.catalogue import Catalogue
from models.vocabulary import DEGRADATIONS

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
        *PUBLISHED,
        SourceCard(
            name="universal",
            target="benchmark.sources.universal:read",
            title="The authors' layout",
            degradations=DEGRADATIONS,
            licence="that of the sets inside",
            citation="Luo et al., Controlling Vision-Language Models for Multi-Task Image Restoration, ICLR 2024",
            bibtex="""@inproceedings{luo2024controlling,
  author = {Luo, Ziwei and Gustafsson, Fredrik K. and Zhao, Zheng and Sj{\\"o}lund, Jens and Sch{\\"o}n, Thomas B.},
  title = {Controlling Vision-Language Models for Multi-Task Image Restoration},
  booktitle = {ICLR},
  year = {2024}
}""",
            obtain="https://github.com/Algolzw/daclip-uir (README, dataset preparation)",
            layout="{train,val}/<type>/{LQ,GT}/* with optional daclip_{train,val}.csv beside train and val",
        ),
        SourceCard(
            name="custom",
            target="benchmark.sources.custom:read",
            title="One's own images",
            degradations=(),
            licence="that of the images",
            layout="pairs in two folders such as {LQ,GT}, {low,high} or {input,target}, if wanted below train/ and "
            "test/; or clean images, with --spec",
            options=("degradation", "spec", "split", "severity", "seed", "label"),
        ),
    ],
)

__all__ = ["SOURCES", "SourceCard", "SourceFile"]
