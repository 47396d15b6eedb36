"""The colour photos that come inside the pinned packages: what they show, whose they are, and their split."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from models.errors import UserError
from models.images import read


@dataclass(frozen=True)
class Photo:
    """A photo.

    Arguments:
        name: Name in keys.
        package: Package that brings it.
        path: File inside the package.
        scene: Photos of one scene share it, and so a split.
        split: `"train"` or `"test"`.
        caption: What it shows.
        licence: Terms of use.
        credit: Who made it.
    """

    name: str
    package: str
    path: str
    scene: str
    split: str
    caption: str
    licence: str
    credit: str


_GARAGE = "a red motorcycle parked in a garage in front of shelves and a wooden bench"

PHOTOS = (
    Photo(
        "astronaut",
        "skimage",
        "data/astronaut.png",
        "astronaut",
        "train",
        "a smiling woman in an orange space suit in front of an american flag and a model of the space shuttle",
        "public domain",
        "NASA (Eileen Collins)",
    ),
    Photo(
        "chelsea",
        "skimage",
        "data/chelsea.png",
        "chelsea",
        "train",
        "a close up of the face of a brown tabby cat with green eyes",
        "CC0",
        "Stefan van der Walt",
    ),
    Photo(
        "rocket",
        "skimage",
        "data/rocket.jpg",
        "rocket",
        "train",
        "a white rocket standing on its launch pad between towers at dusk",
        "public domain",
        "SpaceX",
    ),
    Photo(
        "motorcycle-left",
        "skimage",
        "data/motorcycle_left.png",
        "motorcycle",
        "train",
        _GARAGE,
        "research use, as distributed with scikit-image",
        "Middlebury 2014 stereo benchmark (Scharstein et al.)",
    ),
    Photo(
        "motorcycle-right",
        "skimage",
        "data/motorcycle_right.png",
        "motorcycle",
        "train",
        _GARAGE,
        "research use, as distributed with scikit-image",
        "Middlebury 2014 stereo benchmark (Scharstein et al.)",
    ),
    Photo(
        "hubble",
        "skimage",
        "data/hubble_deep_field.jpg",
        "hubble",
        "train",
        "many small galaxies in different colours on the black sky of deep space",
        "public domain",
        "NASA, Hubble eXtreme Deep Field",
    ),
    Photo(
        "retina",
        "skimage",
        "data/retina.jpg",
        "retina",
        "train",
        "the inside of an eye with red blood vessels on an orange ground",
        "CC0",
        "Haggstrom, Mikael",
    ),
    Photo(
        "ihc",
        "skimage",
        "data/ihc.png",
        "ihc",
        "train",
        "a microscope image of stained tissue with brown glands and blue cells",
        "no known restrictions",
        "Human Protein Atlas, by way of scikit-image",
    ),
    Photo(
        "china",
        "sklearn",
        "datasets/images/china.jpg",
        "china",
        "train",
        "a chinese pagoda with several roofs above trees and a lake",
        "CC BY 2.0",
        "Daniel Buechele",
    ),
    Photo(
        "coffee",
        "skimage",
        "data/coffee.png",
        "coffee",
        "test",
        "a cup of espresso on a red saucer with a spoon on a wooden table",
        "CC0",
        "Rachel Michetti, courtesy of Pikolo Espresso Bar",
    ),
    Photo(
        "flower",
        "sklearn",
        "datasets/images/flower.jpg",
        "flower",
        "test",
        "an orange dahlia in bloom in front of dark green leaves",
        "CC BY 2.0",
        "vultilion, by way of scikit-learn",
    ),
    Photo(
        "grace-hopper",
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "grace-hopper",
        "test",
        "an elderly woman with glasses in a dark navy uniform and cap in front of a flag",
        "public domain",
        "U.S. Navy (James S. Davis)",
    ),
)
"""Every photo; the test photos show scenes that no training photo shows."""


@lru_cache(maxsize=len(PHOTOS))
def photo_pixels(name: str) -> np.ndarray:
    """Return the pixels of a photo, with shape `(H, W, 3)`, uint8, RGB; decoded once a process.

    Raises:
        UserError: The package that brings it is not installed or no longer brings it.
    """
    photo = next(p for p in PHOTOS if p.name == name)
    spec = importlib.util.find_spec(photo.package)
    folders = spec.submodule_search_locations if spec else None
    file = Path(next(iter(folders)), photo.path) if folders else None
    if file is None or not file.is_file():
        raise UserError(
            f"photo {name} is not where {photo.package} had it ({photo.path}): install the versions of constraints.txt"
        )
    pixels = read(file)
    pixels.flags.writeable = False
    return pixels
