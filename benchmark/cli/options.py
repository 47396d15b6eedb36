"""The options that several commands share: which networks, and how diffusion networks among them are sampled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from models.diffusion.samplers import SAMPLERS
from models.errors import UserError
from models.networks.find import find_network

if TYPE_CHECKING:
    from models.diffusion.settings import Sampling

F = TypeVar("F", bound=Callable[..., Any])

NETWORK_OPTIONS = (
    click.option(
        "--runs", type=click.Path(path_type=Path), help="Folder of run folders; every finished one is evaluated."
    ),
    click.option(
        "--network",
        "networks",
        multiple=True,
        metavar="NETWORK",
        help="A network, with --weights; also package.module:factory, or spandrel. May be given several times.",
    ),
    click.option(
        "--weights",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Weights file or run of --network, in the same order; none for a network without weights.",
    ),
    click.option(
        "--daclip", type=click.Path(path_type=Path), help="DA-CLIP of --network, when its metadata name none."
    ),
)


SAMPLER_OPTIONS = (
    click.option(
        "--sampler",
        metavar="SAMPLER",
        help="Sampler of diffusion networks, see bench list samplers.  [default: that of the weights, else posterior]",
    ),
    click.option(
        "--nfe",
        type=click.IntRange(min=1),
        help="Network calls an image, for diffusion networks.  [default: the sampler's, for posterior 100]",
    ),
    click.option(
        "--prediction",
        type=click.Choice(["data", "noise"]),
        help="What the MR samplers extrapolate, the clean image or the noise.  [default: the sampler's]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        help="Of the noise of diffusion networks; each image's noise follows from it and the image.  [default: 0]",
    ),
)


def network_options(command: F) -> F:
    """Give a command the options of networks; it receives `runs`, `networks`, `weights` and `daclip`."""
    for option in reversed(NETWORK_OPTIONS):
        command = option(command)
    return command


def sampler_options(command: F) -> F:
    """Give a command the options of samplers; it receives `sampler`, `nfe`, `prediction` and `seed`."""
    for option in reversed(SAMPLER_OPTIONS):
        command = option(command)
    return command


def chosen_sampling(
    sampler: str | None,
    nfe: int | None,
    prediction: Literal["data", "noise"] | None,
    seed: int | None,
    *,
    network: str | None,
) -> Sampling | None:
    """Return what was chosen; None when nothing was.

    Arguments:
        sampler: The option of that name.
        nfe: The option of that name.
        prediction: The option of that name.
        seed: The option of that name.
        network: The one network that it is for, or None for all that are sampled.

    Raises:
        UserError: There is no such sampler, or the network restores in one pass.
    """
    if sampler is None and nfe is None and prediction is None and seed is None:
        return None
    if network is not None and not find_network(network).sampler:
        raise UserError(
            f"network {network} restores in one pass: --sampler, --nfe, --prediction and --seed are for diffusion "
            "networks"
        )
    if sampler is not None:
        _ = SAMPLERS[sampler]  # a mistyped name must not cost the time that torch takes to load

    from models.diffusion.settings import Sampling

    return Sampling(sampler=sampler, nfe=nfe, prediction=prediction, seed=seed or 0)
