"""What can be found wrong with a caption, as data."""

from __future__ import annotations

from dataclasses import dataclass

KINDS: dict[str, str] = {
    "empty": "no text, or nothing but blanks",
    "characters": "bytes that are no UTF-8, control or replacement characters, or mis-decoded text",
    "repetition": "a word three times in a row, a phrase twice in a row, or more than 30 % repeated phrases",
    "made-up-word": "a word that captioning models invent (BLIP's 'araffe', 'arafed')",
    "too-long": "more tokens than CLIP's text tower reads; the end is cut off in training",
    "picture-word": "a word for bad picture quality (blurry, noisy, low-light, ...) in the caption of a clean image",
    "scene-word": "a word that names a degradation but may describe what is seen (snow, rain, dark, shadow, ...)",
    "identical": "the same words as the caption of another image",
    "near-identical": "nearly the same words as the caption of another image",
    "inconsistent": "an image with several captions",
}
"""Each kind of finding and what it means."""


@dataclass(frozen=True)
class Entry:
    """A caption of a clean image.

    Arguments:
        split: `"train"` or `"test"`.
        key: Key of the first pair that holds the image.
        clean_sha256: Digest of the image.
        caption: Text about it; bytes that are no UTF-8 are kept as lone surrogates.
        degradations: Types of the pairs that hold the image.
        texts: The different texts ("<caption>: <degradation>") of those pairs.
    """

    split: str
    key: str
    clean_sha256: str
    caption: str
    degradations: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing found about one caption.

    Arguments:
        kind: One of `KINDS`.
        entry: Index of the caption.
        detail: What exactly, e.g. `"'bald' 3 times in a row"`.
        other: Key of the other image, where two captions are compared.
    """

    kind: str
    entry: int
    detail: str
    other: str | None = None
