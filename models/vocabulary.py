"""The words for degradations: the ten types of the paper in their order, and room for further ones."""

from __future__ import annotations

import re
from collections.abc import Iterable

from models.errors import UserError, close_match

DEGRADATIONS: tuple[str, ...] = (
    "motion-blurry",
    "hazy",
    "jpeg-compressed",
    "low-light",
    "noisy",
    "raindrop",
    "rainy",
    "shadowed",
    "snowy",
    "uncompleted",
)
"""The words in the paper's order; they are folder names, text prompts and class indices alike."""

LABELS: dict[str, str] = dict(
    zip(
        DEGRADATIONS,
        ("Blurry", "Hazy", "JPEG", "Low-light", "Noisy", "Raindrop", "Rainy", "Shadowed", "Snowy", "Inpainting"),
        strict=True,
    )
)
"""The labels that the paper prints in its tables."""

SPLITS = ("train", "test")

_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def check_degradation(word: str) -> str:
    """Return `word` when it is one of the ten types.

    Raises:
        UserError: It is not; the message names the closest one.
    """
    if word not in DEGRADATIONS:
        raise UserError(
            f"unknown degradation {word!r}{close_match(word, DEGRADATIONS)} (known: {', '.join(DEGRADATIONS)})"
        )
    return word


def check_word(word: str) -> str:
    """Return `word` when it can name a type: one of the ten, or a further one such as `"foggy"` or `"film-grain"`.

    Raises:
        UserError: It is not written in lower-case letters, digits and single hyphens.
    """
    if not _WORD.fullmatch(word):
        raise UserError(f"{word!r} cannot name a degradation: use lower-case letters, digits, hyphens, as in 'foggy'")
    return word


def in_order(words: Iterable[str]) -> list[str]:
    """Return the different words, the ten types first and in the paper's order, then the others by alphabet."""
    found = set(words)
    return [word for word in DEGRADATIONS if word in found] + sorted(found - set(DEGRADATIONS))


def label(word: str) -> str:
    """Return how tables call a type: the paper's label, or the word itself with a capital."""
    return LABELS.get(word, word[:1].upper() + word[1:])
