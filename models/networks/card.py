"""What a network declares about itself, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.vocabulary import DEGRADATIONS


@dataclass(frozen=True, kw_only=True)
class ReleasedFile:
    """One weights file that the authors of a network offer.

    Arguments:
        name: Its name where it is offered.
        about: What it was trained on or for, e.g. "Rain100H".
        page: Where it is offered.
        size: Its length in bytes, where known.
        sha256: Its digest, where known.
    """

    name: str
    about: str = ""
    page: str = ""
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """What a network declares about itself.

    Every network takes RGB images with shape `(B, 3, H, W)` in [0, 1] and returns restored ones on the same scale; what
    scale its authors used inside is its own affair.

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
        padding: How an image is extended to an accepted size: "reflect", "zero", "edge" (the last row repeated) or
            "grey" (0.5, which is zero for networks that work on [-1, 1]).
        pad_sides: Where it is extended: at the "end" (right and bottom); on "both" sides, the odd pixel at the end; or
            "even", on both sides alike once an odd size has got one pixel more at the end.
        pad_always: True when the authors' code adds a whole multiple even where none is missing.
        reach: How far, in pixels, the input can influence an output pixel; None when the whole image does (attention,
            pooling or normalisation over it). Tiles that overlap by enough are exact up to rounding where it is known.
        tiles: Whether large images may be cut into tiles: "exact" (needs `reach`), "close" (seams are blended, the
            result differs slightly), or "no" where a tile on its own gives another picture.
        half: Precisions besides float32 in which it was seen to work: "bf16", "fp16".
        tasks: Degradations that it is meant for.
        licence: Terms of this code.
        weights_licence: Terms of the weights that its authors released.
        files: What its authors released.
        nesting: Keys under which a released checkpoint holds the state dict, tried in order, e.g. ("G",).
        same_weights_as: Another network of the catalogue whose weights it takes, when it differs only in how it is run:
            weights alone then mean that one.
        parts: File names of a release that keeps the network in several files; a folder of them is given as weights,
            and the tensors of a part are called `<stem>.<name>`.
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
    padding: Literal["reflect", "zero", "edge", "grey"] = "reflect"
    pad_sides: Literal["end", "both", "even"] = "end"
    pad_always: bool = False
    reach: int | None = None
    tiles: Literal["exact", "close", "no"] = "close"
    half: tuple[Literal["bf16", "fp16"], ...] = ()
    tasks: tuple[str, ...] = DEGRADATIONS
    licence: str = "MIT"
    weights_licence: str = ""
    files: tuple[ReleasedFile, ...] = ()
    nesting: tuple[str, ...] = ()
    same_weights_as: str = ""
    parts: tuple[str, ...] = ()
    rounding: Literal["round", "truncate"] = "round"
    sampler: bool = False
    summary: str = ""
