"""Joining and splitting the text of a pair: "<caption>: <degradation>"."""

from __future__ import annotations

SEPARATOR = ": "


def join_text(caption: str, degradation: str) -> str:
    """Return the text of a pair, e.g. `"a cat on a chair: rainy"`."""
    return f"{caption}{SEPARATOR}{degradation}"


def split_text(text: str) -> tuple[str, str]:
    """Split a text into caption and degradation, from the right and once: a caption may itself hold ": ".

    Arguments:
        text: A text made by `join_text`.

    Returns:
        The caption and the degradation; the degradation is empty when the text holds no separator.
    """
    caption, separator, degradation = text.rpartition(SEPARATOR)
    return (caption, degradation) if separator else (text, "")
