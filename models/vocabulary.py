"""The ten degradation types: their words, order and labels, everywhere the same."""

from __future__ import annotations

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
