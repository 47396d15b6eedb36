"""The catalogue of samplers: ways back from a noisy degraded image to a restored one, as data."""

from __future__ import annotations

from dataclasses import dataclass

from models.catalogue import Catalogue


@dataclass(frozen=True, kw_only=True)
class SamplerCard:
    """What a sampler declares about itself.

    Arguments:
        name: Name on the command line.
        target: "module:class"; made anew for each batch as `class(sde, prediction=...)`.
        title: Name in prose and tables.
        paper: Title, authors and venue.
        url: Page of the paper.
        stochastic: True when it draws noise at every step; all draw the noise of the start.
        order: Order of its error in the step's size (deterministic part).
        predictions: What it may hold constant or extrapolate over a step: "data" is the clean image, "noise" the noise.
            The first one is its default.
        grid: Which times it visits.
        default_nfe: Number of network evaluations when none is given.
        summary: One sentence.
    """

    name: str
    target: str
    title: str
    paper: str
    url: str
    stochastic: bool
    order: int = 1
    predictions: tuple[str, ...]
    grid: str
    default_nfe: int
    summary: str


_IR_SDE = "Image Restoration with Mean-Reverting Stochastic Differential Equations, Luo et al., ICML 2023"
_WILD = "Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models, Luo et al., CVPRW 2024"
_MR = "MaRS: A Fast Sampler for Mean Reverting Diffusion based on ODE and SDE Solvers, Li et al., ICLR 2025"
_IR_SDE_URL, _WILD_URL = "https://arxiv.org/abs/2301.11699", "https://arxiv.org/abs/2404.09732"
_MR_URL = "https://arxiv.org/abs/2502.07856"

SAMPLERS = Catalogue[SamplerCard](
    "sampler",
    [
        SamplerCard(
            name="posterior",
            target="models.diffusion.samplers.posterior:Posterior",
            title="Posterior sampling",
            paper=_WILD,
            url=_WILD_URL,
            stochastic=True,
            predictions=("data",),
            grid="steps",
            default_nfe=100,
            summary="Draws from the Gaussian bridge to the estimated clean image; may skip steps.",
        ),
        SamplerCard(
            name="sde",
            target="models.diffusion.samplers.euler:EulerSDE",
            title="Reverse SDE",
            paper=_IR_SDE,
            url=_IR_SDE_URL,
            stochastic=True,
            predictions=("noise",),
            grid="steps",
            default_nfe=100,
            summary="Euler-Maruyama steps of the reverse SDE, as IR-SDE was published.",
        ),
        SamplerCard(
            name="ode",
            target="models.diffusion.samplers.euler:EulerODE",
            title="Probability-flow ODE",
            paper=_IR_SDE,
            url=_IR_SDE_URL,
            stochastic=False,
            predictions=("noise",),
            grid="steps",
            default_nfe=100,
            summary="Euler steps of the ODE that has the same marginals.",
        ),
        SamplerCard(
            name="mr-sde-1",
            target="models.diffusion.samplers.mr_sde:FirstOrderSDE",
            title="MR Sampler, SDE, first order",
            paper=_MR,
            url=_MR_URL,
            stochastic=True,
            predictions=("data", "noise"),
            grid="time",
            default_nfe=20,
            summary="The linear part of the reverse SDE solved exactly, the network held constant over a step.",
        ),
        SamplerCard(
            name="mr-sde-2",
            target="models.diffusion.samplers.mr_sde:SecondOrderSDE",
            title="MR Sampler, SDE, second order",
            paper=_MR,
            url=_MR_URL,
            stochastic=True,
            order=2,
            predictions=("data", "noise"),
            grid="time",
            default_nfe=10,
            summary="As mr-sde-1, the network extrapolated from the last two evaluations.",
        ),
        SamplerCard(
            name="mr-ode-1",
            target="models.diffusion.samplers.mr_ode:FirstOrderODE",
            title="MR Sampler, ODE, first order",
            paper=_MR,
            url=_MR_URL,
            stochastic=False,
            predictions=("data", "noise"),
            grid="time",
            default_nfe=20,
            summary="The linear part of the ODE solved exactly, the network held constant over a step.",
        ),
        SamplerCard(
            name="mr-ode-2",
            target="models.diffusion.samplers.mr_ode:SecondOrderODE",
            title="MR Sampler, ODE, second order",
            paper=_MR,
            url=_MR_URL,
            stochastic=False,
            order=2,
            predictions=("data", "noise"),
            grid="time",
            default_nfe=10,
            summary="As mr-ode-1, the network extrapolated from the last two evaluations.",
        ),
    ],
)
