"""CelebA-HQ at 256x256 pixels: faces with holes, by our own mask generator or by the paper's hundred masks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.sources.cards import SourceCard, SourceFile
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import Folder, by_folder, named, synthetic_samples
from benchmark.sources.samples import ImageBytes, Rejected, Sample
from models.errors import UserError
from models.images.pixels import BadImage, decode, encode_png, to_float, to_uint8

CARD = SourceCard(
    name="celebahq",
    target="benchmark.sources.celebahq:read",
    title="CelebA-HQ-256",
    degradations=("uncompleted",),
    counts={"train": {"uncompleted": 29900}, "test": {"uncompleted": 100}},
    licence="non-commercial research (CelebA agreement, which forbids passing the images on)",
    citation="Karras et al., Progressive Growing of GANs for Improved Quality, Stability, and Variation, ICLR 2018",
    bibtex="""@inproceedings{karras2018progressive,
  author = {Karras, Tero and Aila, Timo and Laine, Samuli and Lehtinen, Jaakko},
  title = {Progressive Growing of {GANs} for Improved Quality, Stability, and Variation},
  booktitle = {ICLR},
  year = {2018}
}""",
    obtain="https://github.com/Algolzw/daclip-uir (README, dataset links: CelebaHQ-256)",
    layout="30,000 face images of 256x256 pixels, and beside them, for the paper's own holes, its 100 masks "
    "(scripts/inpainting_masks) in a folder with mask in its name",
    files=(
        SourceFile(
            "celeba*hq*256*",
            page="https://github.com/Algolzw/daclip-uir",
            note="30,000 images; the first 100 are the test split",
        ),
        SourceFile(
            "inpainting_masks*",
            page="https://github.com/Algolzw/daclip-uir",
            note="the paper's 100 masks",
            alone=False,
        ),
    ),
    options=("seed",),
)

TEST_IMAGES = 100
"""The first hundred images in natural order are the test set."""

MASK_SIDE = 256


@dataclass(frozen=True)
class MaskedImage:
    """An image with white holes where a mask is black; painted when it is read.

    Arguments:
        clean: The image.
        mask: The mask: 255 where the image is kept, 0 where the hole is; resized to the image when it differs in size.
    """

    clean: ImageBytes
    mask: ImageBytes

    @property
    def name(self) -> str:
        return f"{self.clean.name} under {self.mask.name}"

    @property
    def fingerprint(self) -> str:
        return f"{self.clean.fingerprint}+{self.mask.fingerprint}"

    @property
    def size(self) -> int:
        return 2 * MASK_SIDE * MASK_SIDE  # a guess that is good enough: holes compress well, faces do not

    @property
    def files(self) -> tuple[Path, ...]:
        return (*self.clean.files, *self.mask.files)

    def read(self) -> bytes:
        """Return the painted image as PNG.

        Raises:
            BadImage: The image or the mask cannot be decoded.
        """
        return encode_png(paint(_decoded(self.clean), _decoded(self.mask)))


def _decoded(image: ImageBytes) -> np.ndarray:
    try:
        return decode(image.read())
    except BadImage as error:
        raise BadImage(f"{image.name}: {error}") from None


def paint(clean: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Blend an image with white by a mask, as the authors' script does.

    Arguments:
        clean: Pixels with shape `(H, W, 3)`, uint8 RGB.
        mask: Pixels with shape `(h, w, 3)`, uint8; 255 keeps the image, 0 is a hole.

    Returns:
        The painted image with shape `(H, W, 3)`, uint8 RGB.
    """
    height, width = clean.shape[:2]
    if mask.shape[:2] != (height, width):
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    keep = to_float(mask)
    return to_uint8(keep * to_float(clean) + (1 - keep))


def read(tree: Tree, *, seed: int = 0) -> Iterator[Sample | Rejected]:
    """Yield the inpainting pairs, the 29,900 of training before the 100 of testing.

    Without masks in the tree every hole is drawn by the degradation `mask()`. With the paper's masks beside the images,
    test image i gets mask i and every training image one that `seed` and its name determine.

    Arguments:
        tree: Holds the images and, for the paper's way, the 256x256 PNG masks in a folder with "mask" in its name.
        seed: Seed of the holes.

    Raises:
        UserError: No images, or fewer masks than test images.

    References:
        Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras et al., ICLR 2018)
        https://arxiv.org/abs/1710.10196
    """
    folders = by_folder(tree)
    faces = [entry for folder, entries in folders.items() if not _names_masks(folder) for entry in entries]
    masks = [entry for folder, entries in folders.items() if _names_masks(folder[-1:]) for entry in entries]
    masks = [entry for entry in masks if entry.path.suffix.lower() == ".png"]
    if not faces:
        return
    images = named(faces)
    specs = {"uncompleted": DEFAULT_SPECS["uncompleted"]}
    samples: list[Sample | Rejected] = []
    for split, part in (("train", images[TEST_IMAGES:]), ("test", images[:TEST_IMAGES])):
        samples += synthetic_samples(part, source="celebahq", split=split, specs=specs, seed=seed)
    if masks and _png_size(masks[0]) == (MASK_SIDE, MASK_SIDE):
        tests = sum(isinstance(s, Sample) and s.split == "test" for s in samples)
        if len(masks) < tests:
            raise UserError(f"{tree.where} holds {len(masks)} masks for {tests} test images: add the others, or none")
        samples = _masked(samples, masks, seed)
    yield from samples


def _masked(samples: Sequence[Sample | Rejected], masks: Sequence[Entry], seed: int) -> list[Sample | Rejected]:
    done: list[Sample | Rejected] = []
    next_mask = iter(masks)
    for sample in samples:
        if isinstance(sample, Rejected):
            done.append(sample)
            continue
        mask = next(next_mask) if sample.split == "test" else _drawn(masks, f"{seed} {sample.key}")
        done.append(
            Sample(
                key=sample.key,
                degradation=sample.degradation,
                split=sample.split,
                source=sample.source,
                clean=sample.clean,
                degraded=MaskedImage(sample.clean, mask),
            )
        )
    return done


def _drawn(masks: Sequence[Entry], text: str) -> Entry:
    # A digest instead of a generator: thirty thousand generators take longer to seed than to list the images.
    return masks[int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % len(masks)]


def _names_masks(folder: Folder) -> bool:
    # CelebAMask-HQ is the name of a set of faces.
    return any("mask" in name.replace("celebamask", "") for name in folder)


def _png_size(entry: Entry) -> tuple[int, int]:
    """Return width and height from the header of a PNG file."""
    head = entry.read()[:24]
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
