"""The catalogue of networks: what each one is, needs and may be used for, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.catalogue import Catalogue
from models.vocabulary import DEGRADATIONS


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """What a network declares about itself.

    Arguments:
        name: Name on the command line.
        target: "module:class"; the class takes keyword-only arguments.
        title: Name in prose and tables.
        paper: Title, authors and venue.
        year: Year of publication.
        url: Page of the paper.
        conditioning: What it is told about an image besides its pixels: nothing, the degradation embedding, the content
            embedding, or both embeddings of DA-CLIP.
        multiple_of: Height and width must be multiples of this with the default architecture; an instance states its
            own in its attribute of the same name.
        minimum_size: Smallest height and width that it works with.
        padding: How an image is extended to an accepted size: "reflect", or "zero" where the authors do so.
        tasks: Degradations that it is meant for.
        licence: Terms of this code.
        weights_licence: Terms of the weights that its authors released.
        rounding: How its official writer turns outputs into 8 bits: "round" or "truncate".
        sampler: True when it predicts the noise in a state, `network(state, degraded, time, ...)`, and is sampled over
            many steps; False when it maps the degraded image to the restored one.
        summary: One sentence.
    """

    name: str
    target: str
    title: str
    paper: str
    year: int
    url: str
    conditioning: Literal["none", "degradation", "content", "degradation+content"] = "none"
    multiple_of: int = 1
    minimum_size: int = 1
    padding: Literal["reflect", "zero"] = "reflect"
    tasks: tuple[str, ...] = DEGRADATIONS
    licence: str = "MIT"
    weights_licence: str = ""
    rounding: Literal["round", "truncate"] = "round"
    sampler: bool = False
    summary: str = ""


_DACLIP = "Controlling Vision-Language Models for Multi-Task Image Restoration, Luo et al., ICLR 2024"

NETWORKS = Catalogue[NetworkCard](
    "network",
    [
        NetworkCard(
            name="input",
            target="models.networks.input:Input",
            title="Input",
            paper="",
            year=0,
            url="",
            weights_licence="has no weights",
            summary="The degraded image itself: the row that every restoration has to beat.",
        ),
        NetworkCard(
            name="nafnet",
            target="models.networks.nafnet:NAFNet",
            title="NAFNet",
            paper="Simple Baselines for Image Restoration, Chen et al., ECCV 2022",
            year=2022,
            url="https://arxiv.org/abs/2204.04676",
            multiple_of=16,
            padding="zero",
            weights_licence="MIT",
            summary="A U-Net of blocks without activation functions, told nothing about the degradation.",
        ),
        NetworkCard(
            name="nafnet-degradation",
            target="models.networks.nafnet_conditional:DegradationNAFNet",
            title="NAFNet + Degradation",
            paper=_DACLIP,
            year=2024,
            url="https://arxiv.org/abs/2310.01018",
            conditioning="degradation",
            multiple_of=16,
            padding="zero",
            weights_licence="none released",
            summary="NAFNet whose blocks are modulated by a prompt picked by DA-CLIP's degradation embedding.",
        ),
        NetworkCard(
            name="nafnet-daclip",
            target="models.networks.nafnet_conditional:ConditionalNAFNet",
            title="NAFNet + DA-CLIP",
            paper=_DACLIP,
            year=2024,
            url="https://arxiv.org/abs/2310.01018",
            conditioning="degradation+content",
            multiple_of=16,
            padding="zero",
            weights_licence="none released",
            summary="NAFNet + Degradation with attention to DA-CLIP's content embedding in its deepest blocks.",
        ),
        NetworkCard(
            name="ir-sde",
            target="models.networks.unet:PlainUNet",
            title="IR-SDE",
            paper="Image Restoration with Mean-Reverting Stochastic Differential Equations, Luo et al., ICML 2023",
            year=2023,
            url="https://arxiv.org/abs/2301.11699",
            weights_licence="MIT",
            sampler=True,
            summary="A U-Net that undoes a diffusion from the clean to the degraded image, told nothing else.",
        ),
        NetworkCard(
            name="ir-sde-daclip",
            target="models.networks.unet:ConditionalUNet",
            title="IR-SDE + DA-CLIP",
            paper=_DACLIP,
            year=2024,
            url="https://arxiv.org/abs/2310.01018",
            conditioning="degradation+content",
            weights_licence="MIT",
            sampler=True,
            summary="IR-SDE with a prompt picked by the degradation embedding and attention to the content embedding.",
        ),
        NetworkCard(
            name="wild-ir",
            target="models.networks.unet:WildUNet",
            title="Wild-IR",
            paper="Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models, Luo et al., "
            "CVPR Workshops 2024",
            year=2024,
            url="https://arxiv.org/abs/2404.09732",
            conditioning="content",
            weights_licence="MIT",
            sampler=True,
            summary="IR-SDE at half resolution, told the content only, for mixed and unknown degradations.",
        ),
    ],
)
