"""The embedded photos: real colour pictures that come inside installed packages, with captions, licences and splits."""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.errors import UserError, close_match
from models.images.pixels import read

DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}


@dataclass(frozen=True)
class Photo:
    """One embedded photo.

    Arguments:
        name: Short name, used in keys.
        package: The importable package that holds it.
        path: Its place inside the package.
        caption: What it shows, written by a person who looked at it.
        licence: Terms of use.
        credit: Who took or published it.
        split: `"train"` or `"test"`.
        scene: Photos of one scene share this name and are never in two splits.
        weight: Tiles taken from it in a round over all photos; 1 for pictures of narrow variety, 2 for the rest.
    """

    name: str
    package: str
    path: str
    caption: str
    licence: str
    credit: str
    split: str
    scene: str
    weight: int = 2

    def locate(self) -> Path:
        """Return the path of the file without importing the package.

        Raises:
            UserError: The package, or the file inside it, is missing.
        """
        distribution = DISTRIBUTIONS[self.package]
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(
                f"the embedded photo {self.name!r} comes with {distribution}, which is not installed: "
                f"pip install {distribution}"
            )
        file = Path(spec.submodule_search_locations[0]) / self.path
        if not file.is_file():
            raise UserError(
                f"the embedded photo {self.name!r} is missing from {distribution} ({file}): reinstall {distribution} "
                "in the pinned version"
            )
        return file

    def pixels(self) -> np.ndarray:
        """Return the photo with shape `(H, W, 3)`, uint8 RGB, read-only; decoded once per process."""
        return _decoded(self.locate())


@functools.lru_cache(maxsize=16)
def _decoded(path: Path) -> np.ndarray:
    pixels = read(path)
    pixels.setflags(write=False)
    return pixels


PHOTOS = (
    Photo(
        name="astronaut",
        package="skimage",
        path="data/astronaut.png",
        caption="a smiling astronaut in an orange space suit before an American flag and a model of a space shuttle",
        licence="public domain",
        credit="NASA, portrait of Eileen Collins",
        split="train",
        scene="astronaut",
    ),
    Photo(
        name="chelsea",
        package="skimage",
        path="data/chelsea.png",
        caption="the face of a tabby cat with green eyes and long white whiskers, seen from close up",
        licence="CC0",
        credit="Stefan van der Walt",
        split="train",
        scene="cat",
    ),
    Photo(
        name="coffee",
        package="skimage",
        path="data/coffee.png",
        caption="a cup of espresso on a red saucer with a small spoon, standing on a wooden table",
        licence="CC0",
        credit="Rachel Michetti, courtesy of Pikolo Espresso Bar",
        split="test",
        scene="coffee",
    ),
    Photo(
        name="rocket",
        package="skimage",
        path="data/rocket.jpg",
        caption="a white rocket stands on its launch pad between lattice towers at dusk with bright lamps at its foot",
        licence="public domain",
        credit="SpaceX, Falcon 9 with DSCOVR",
        split="train",
        scene="rocket",
    ),
    Photo(
        name="motorcycle-left",
        package="skimage",
        path="data/motorcycle_left.png",
        caption="a red motorcycle with a black seat stands on the concrete floor of a garage in front of full shelves",
        licence="no terms stated; Middlebury 2014 stereo benchmark, distributed with scikit-image",
        credit="Scharstein et al., Middlebury College (GCPR 2014)",
        split="train",
        scene="motorcycle",
    ),
    Photo(
        name="motorcycle-right",
        package="skimage",
        path="data/motorcycle_right.png",
        caption="a red motorcycle on its stand in a garage with a wooden bench and shelves of boxes behind it",
        licence="no terms stated; Middlebury 2014 stereo benchmark, distributed with scikit-image",
        credit="Scharstein et al., Middlebury College (GCPR 2014)",
        split="train",
        scene="motorcycle",
    ),
    Photo(
        name="hubble",
        package="skimage",
        path="data/hubble_deep_field.jpg",
        caption="hundreds of small coloured galaxies scattered over the black sky of deep space",
        licence="public domain",
        credit="NASA, Hubble eXtreme Deep Field",
        split="train",
        scene="hubble",
        weight=1,
    ),
    Photo(
        name="retina",
        package="skimage",
        path="data/retina.jpg",
        caption="the orange back of a human eye with branching red blood vessels and a bright round optic disc",
        licence="CC0",
        credit="Mikael Häggström, Medical gallery 2014",
        split="train",
        scene="retina",
        weight=1,
    ),
    Photo(
        name="ihc",
        package="skimage",
        path="data/ihc.png",
        caption="a microscope picture of tissue with brown stained glands and blue cell nuclei on a white ground",
        licence="no known copyright restrictions",
        credit="Center for Microscopy and Molecular Imaging (CMMI)",
        split="train",
        scene="ihc",
        weight=1,
    ),
    Photo(
        name="china",
        package="sklearn",
        path="datasets/images/china.jpg",
        caption="a tall red pagoda with green and yellow roofs rises above trees beside a wide lake under a pale sky",
        licence="CC BY 2.0",
        credit="danielbuechele on Flickr",
        split="train",
        scene="pagoda",
    ),
    Photo(
        name="flower",
        package="sklearn",
        path="datasets/images/flower.jpg",
        caption="a round orange dahlia in full bloom before dark green blurred leaves",
        licence="CC BY 2.0",
        credit="vultilion on Flickr",
        split="test",
        scene="dahlia",
    ),
    Photo(
        name="hopper",
        package="matplotlib",
        path="mpl-data/sample_data/grace_hopper.jpg",
        caption="an elderly navy officer in dark uniform, cap and glasses before an American flag and a blue wall",
        licence="public domain",
        credit="James S. Davis, US Navy, portrait of Grace Hopper",
        split="test",
        scene="hopper",
    ),
)
"""All embedded photos. Grey pictures, diagrams and logos of the packages are left out."""


def photo(name: str) -> Photo:
    """Return the embedded photo called `name`.

    Raises:
        UserError: There is none; the message names the closest one.
    """
    for candidate in PHOTOS:
        if candidate.name == name:
            return candidate
    names = [candidate.name for candidate in PHOTOS]
    raise UserError(f"there is no embedded photo {name!r}{close_match(name, names)} (known: {', '.join(names)})")
